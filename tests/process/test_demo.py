"""The demo: one command runs the whole system, compares, and leaves nothing behind."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest

from demo import agreement
from demo.agreement import Check
from demo.commands import Accepted, Ended
from demo.database import Entry
from demo.plan import Kind, Payment, payments
from tests.support.wait import until

ROOT = Path(__file__).resolve().parents[2]
RUN_SECONDS = 180.0
process = pytest.mark.process


class Demo:
    """A running demo: its output so far, and every process that was seen below it."""

    def __init__(self, folder: Path, **environment: str) -> None:
        """Start it with its temporary files in `folder`."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "demo"],
            cwd=ROOT,
            env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
            | {"TMPDIR": str(folder), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.family = [psutil.Process(self.process.pid)]
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            self._lines.extend(lines)

    @property
    def output(self) -> str:
        """Return all that was printed so far."""
        return "".join(self._lines)

    def shows(self, pattern: str) -> re.Match[str]:
        """Wait until the output has `pattern`, note the processes, and return the match."""

        def seen() -> re.Match[str] | None:
            self.children()
            found = re.search(pattern, self.output)
            assert found or self.process.poll() is None, self.output
            return found

        found = until(seen, RUN_SECONDS, every=0.1, why=f"the demo shows {pattern}")
        assert found is not None
        return found

    def children(self) -> list[psutil.Process]:
        """Return every process that was seen below the demo so far, those of this moment included."""
        if _is_alive(self.family[0]):
            self.family += [child for child in self.family[0].children(recursive=True) if child not in self.family]
        return self.family[1:]

    def ended(self) -> int:
        """Wait for the demo's end and return its exit code; every process below it is gone."""
        self.process.wait(RUN_SECONDS)
        self._reader.join(RUN_SECONDS)
        until(lambda: not any(map(_is_alive, self.family)), 5, why=f"all have ended: {self.family}")
        return self.process.returncode

    def child(self, *words: str) -> psutil.Process:
        """Return a process below the demo by words of its command line."""
        return next(child for child in self.children() if _is_alive(child) and set(words) <= set(child.cmdline()))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """Return what starts a demo, which is ended with the test."""
    demos: list[Demo] = []

    def start(**environment: str) -> Demo:
        demos.append(Demo(tmp_path, **environment))
        return demos[-1]

    yield start
    for demo in demos:
        demo.process.terminate()
        demo.ended()


@process
def test_one_run_agrees_and_leaves_nothing(start: Callable[..., Demo], tmp_path: Path) -> None:
    """ONCE=1 ends by itself with 0: at least 200 settled, some failed, all of it in the ledger and the sinks."""
    demo = start(ONCE="1")
    demo.shows("Everything agrees")

    assert demo.ended() == 0, demo.output
    assert "DISAGREES" not in demo.output
    accepted, done, failed, _ = _row(demo, "settlement")
    assert accepted == done + failed
    assert done >= 200
    assert failed > 0
    assert all(_row(demo, kind)[3] > 0 for kind in ("refund", "e-mail", "Slack message", "Slack alert"))
    assert len(re.findall(r" agrees$", demo.output, re.MULTILINE)) > 30
    assert list(tmp_path.iterdir()) == []


@process
def test_it_stays_up_with_a_login_until_ctrl_c(start: Callable[..., Demo], tmp_path: Path) -> None:
    """Without ONCE the printed pages and login work, and Ctrl-C ends everything with 0."""
    demo = start()
    password = demo.shows(r"login +admin / (\S+)\n")[1]
    url = demo.shows(r"admin +(http://127\.0\.0\.1:\d+)/admin/")[1]
    token = demo.shows(r"API token +Authorization: (Token \w+)")[1]

    with httpx.Client(base_url=url, follow_redirects=True) as browser:
        form = browser.get("/admin/login/")
        login = {"username": "admin", "password": password, "next": "/admin/"}
        login["csrfmiddlewaretoken"] = form.cookies["csrftoken"]
        assert "Log out" in browser.post("/admin/login/", data=login).text
        for page in re.findall(rf"{url}(/\S+)", demo.output):
            assert browser.get(page).status_code == 200, page
    assert httpx.get(f"{url}/api/v1/queues/", headers={"Authorization": token}).status_code == 200

    demo.process.send_signal(signal.SIGINT)
    assert demo.ended() == 0, demo.output
    assert list(tmp_path.iterdir()) == []


@process
@pytest.mark.parametrize(
    ("moment", "signum"), [("Starting", signal.SIGTERM), ("[0-9]+/[0-9]+ commands ended", signal.SIGINT)]
)
def test_a_demo_stopped_midway_leaves_nothing(
    start: Callable[..., Demo], tmp_path: Path, moment: str, signum: signal.Signals
) -> None:
    """TERM while it starts, or Ctrl-C among the commands: it ends with 128 and the signal, and nothing is left."""
    demo = start(ONCE="1")
    demo.shows(moment)
    until(demo.children, why="the demo has started a process")
    demo.process.send_signal(signum)

    assert demo.ended() == 128 + signum, demo.output
    assert list(tmp_path.iterdir()) == []


@process
@pytest.mark.parametrize("words", [("rqworker",), ("gunicorn",)])
def test_a_process_that_dies_fails_the_run_by_name(start: Callable[..., Demo], words: tuple[str, ...]) -> None:
    """A worker or the web server killed among the commands: exit code 1, the process is named, nothing is left."""
    demo = start(ONCE="1")
    demo.shows("[0-9]+/[0-9]+ commands ended")
    demo.child(*words).kill()

    assert demo.ended() == 1, demo.output
    assert re.search(r"(worker-[12]|web) ended with -9", demo.output), demo.output


@process
def test_a_ledger_that_was_tampered_with_fails_the_run(start: Callable[..., Demo], tmp_path: Path) -> None:
    """One cent added to a capture behind the system's back: exit code 1, and the entry is told."""
    demo = start(ONCE="1")
    demo.shows("[0-9]+/[0-9]+ commands ended")
    [path] = tmp_path.glob("*/demo.sqlite3")
    with closing(sqlite3.connect(path, timeout=30)) as database, database:
        database.execute("UPDATE transactions_ledgerentry SET amount_minor = amount_minor + 1 WHERE id = 1")

    assert demo.ended() == 1, demo.output
    assert "NOT EVERYTHING AGREES" in demo.output
    assert len(re.findall(r"one capture for each settlement done: (?:missing|too many): tx-", demo.output)) == 2


def test_a_port_that_is_taken_is_told() -> None:
    """PORT in use: exit code 1 and which it is, before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        _assert_port_refused(port, f"PORT {port} is in use")


def test_a_port_that_is_none_is_refused() -> None:
    """PORT=abc: exit code 1 and what to write instead, before anything is started."""
    _assert_port_refused("abc", "PORT is 'abc'; write a port number")


def _assert_port_refused(port: str, message: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "demo"],
        cwd=ROOT,
        env=os.environ | {"PORT": port},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert message in ran.stderr
    assert ran.stdout == ""


def _is_alive(one: psutil.Process) -> bool:
    try:
        # An orphan that nobody has reaped yet has ended all the same.
        return bool(one.is_running() and one.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _row(demo: Demo, kind: str) -> list[int]:
    found = re.search(rf"^{kind} +(\d+) +(\d+) +(\d+) +(\d+)$", demo.output, re.MULTILINE)
    assert found is not None, demo.output
    return [int(number) for number in found.groups()]


# What the comparison must see. Each starts from a run in which all agrees.

SETTLED = Accepted(kind=Kind.SETTLEMENT, queue="q", job_id="1", effect=("tx-1", "USD", 1999), succeeds=True)
REFUSED = Accepted(kind=Kind.SETTLEMENT, queue="q", job_id="2", effect=("tx-2", "USD", 500), succeeds=False)
REFUND = Accepted(kind=Kind.REFUND, queue="q", job_id="3", effect=("tx-1", "USD", -1000), succeeds=True)
ACCEPTED = (SETTLED, REFUSED, REFUND)
CAPTURED = Entry(tx_id="tx-1", kind="capture", currency="USD", minor=1999)
GIVEN_BACK = Entry(tx_id="tx-1", kind="refund", currency="USD", minor=-1000)


def _differing(checks: Sequence[Check]) -> str:
    return " | ".join([check.what for check in checks if not check.agrees])


def test_a_right_ledger_agrees() -> None:
    """One capture and one refund for what was done, nothing for what failed."""
    checks = agreement.check_ledger(ACCEPTED, [CAPTURED, GIVEN_BACK])
    assert len(checks) == 5
    assert _differing(checks) == ""


@pytest.mark.parametrize(
    ("ledger", "what"),
    [
        ([GIVEN_BACK], "one capture for each"),
        ([CAPTURED], "one refund for each"),
        ([CAPTURED, CAPTURED, GIVEN_BACK], "one capture for each"),
        ([CAPTURED, GIVEN_BACK, GIVEN_BACK], "one refund for each"),
        ([CAPTURED, GIVEN_BACK, GIVEN_BACK], "refunded over"),
        ([CAPTURED, GIVEN_BACK, Entry(tx_id="tx-2", kind="capture", currency="USD", minor=500)], "one capture"),
        ([Entry(tx_id="tx-1", kind="capture", currency="USD", minor=1998), GIVEN_BACK], "sum of every capture in USD"),
        ([Entry(tx_id="tx-1", kind="capture", currency="EUR", minor=1999), GIVEN_BACK], "sum of every capture in EUR"),
    ],
    ids=["lost", "refund lost", "twice", "refund twice", "over", "of a failed one", "a cent off", "other currency"],
)
def test_a_wrong_ledger_disagrees(ledger: list[Entry], what: str) -> None:
    """Every way in which the ledger can be wrong is seen, and told by what it is."""
    assert what in _differing(agreement.check_ledger(ACCEPTED, ledger))


def _ended(*, done: tuple[bool, bool, bool], retries: tuple[int, int, int] = (0, 0, 0)) -> list[Ended]:
    return [
        Ended(command=command, done=end, retries=runs)
        for command, end, runs in zip(ACCEPTED, done, retries, strict=True)
    ]


@pytest.mark.parametrize(
    ("ended", "what"),
    [
        (_ended(done=(True, False, True))[:2], "ended as they were meant to"),
        (_ended(done=(False, False, True)), "ended as they were meant to"),
        (_ended(done=(True, True, True)), "ended as they were meant to"),
        (_ended(done=(True, False, True), retries=(0, 4, 0)), "in their first run"),
        (_ended(done=(True, False, True)), "a passing fault that were retried"),
    ],
    ids=["never ended", "failed", "did not fail", "retried in vain", "never retried"],
)
def test_a_wrong_ending_disagrees(ended: list[Ended], what: str) -> None:
    """A command that did not end, ended otherwise, or was retried when it must not be or not when it must."""
    assert what in _differing(agreement.check_endings(ACCEPTED, ended))


@pytest.mark.parametrize(
    ("arrived", "recorded", "agrees"),
    [
        ([("a",), ("b",)], 2, True),
        ([("a",)], 2, False),
        ([("a",), ("b",), ("b",)], 2, False),
        ([("a",), ("a",)], 2, False),
        ([("a",), ("b",)], 1, False),
    ],
    ids=["right", "lost", "twice", "one twice, one lost", "not recorded"],
)
def test_arrivals_are_compared_one_by_one(arrived: list[tuple[str]], recorded: int, *, agrees: bool) -> None:
    """A delivery that is lost, or comes twice, or is not in the database, is seen even when the number is right."""
    checks = agreement.check_deliveries("e-mails", [("a",), ("b",)], arrived, recorded=recorded)
    assert all(check.agrees for check in checks) is agrees


@pytest.mark.parametrize(("waited", "agrees"), [(4.01, True), (3.99, False)])
def test_a_wait_that_is_too_short_disagrees(waited: float, *, agrees: bool) -> None:
    """A message that Slack put off twice for two seconds each waits at least four."""
    [check] = agreement.check_waits(2, 2, [(2, waited)])
    assert check.agrees is agrees


@pytest.mark.parametrize(
    ("counts", "agrees"),
    [
        ({"completed": 2, "failed": 1}, True),
        ({"completed": 1, "failed": 1}, False),
        ({"completed": 2, "failed": 1, "waiting": 1}, False),
        ({"completed": 2, "failed": 1, "active": 1}, False),
        ({"completed": 2, "failed": 1, "delayed": 1}, False),
    ],
)
def test_a_queue_with_other_counts_disagrees(counts: dict[str, int], *, agrees: bool) -> None:
    """As many are kept as ended, and nothing waits, runs or is delayed."""
    [check] = agreement.check_queues(_ended(done=(True, False, True)), [{"name": "q", **counts}])
    assert check.agrees is agrees


def test_a_transaction_in_another_state_disagrees() -> None:
    """One that was not validated, is in another state, is missing, or that nobody asked for."""
    plan: list[Payment] = payments()[:3]
    right = {payment.tx_id: payment.state for payment in plan}
    validations = [
        Accepted(kind=Kind.VALIDATION, queue="q", job_id=tx_id, effect=(tx_id,), succeeds=True) for tx_id in right
    ]

    def differing(states: dict[str, str], validated: int = 3) -> str:
        return _differing(agreement.check_transactions(validations, plan, states, validated=validated))

    assert differing(right) == ""
    assert "validated" in differing(right, validated=2)
    first = plan[0].tx_id
    for wrong in (right | {first: "created"}, right | {"tx-9999": "created"}, {first: right[first]}):
        assert "state" in differing(wrong)


def test_the_plan_is_as_large_and_as_varied_as_it_has_to_be() -> None:
    """At least 200 settle, each currency is refunded, and fewer fail than a queue keeps of the failed."""
    plan = payments()
    assert sum(payment.ending.name == "SETTLED" for payment in plan) >= 200
    refunded = {payment.currency for payment in plan if payment.state == "refunded"}
    assert refunded == {"USD", "EUR", "JPY", "KWD"}
    failing = sum(payment.ending.name != "SETTLED" for payment in plan)
    assert 0 < failing + sum(not refund.succeeds for payment in plan for refund in payment.refunds) < 50
