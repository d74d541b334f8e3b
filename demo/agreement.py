"""Compares what was asked for with what the ledger, the sinks and the queues say of it.

Every function takes plain values and returns checks, so that a test can hand it a wrong ledger.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from demo.commands import Accepted, Ended
from demo.database import Entry
from demo.plan import Kind, Payment, amount

KEPT_COMPLETED = 100
MOST_DETAILS = 5
# The kinds that meet a fault which passes: too early, put off by the mail server or by Slack, a Slack that is down.
TRANSIENT = frozenset({Kind.REFUND, Kind.EMAIL, Kind.MESSAGE, Kind.ALERT})

type Effect = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One comparison: what had to be found and what was; details say which in particular differ."""

    what: str
    expected: object
    found: object
    details: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Say whether all is as it had to be."""
        return self.expected == self.found and not self.details


def each_once(what: str, expected: Iterable[Effect], found: Iterable[Effect]) -> Check:
    """Compare effects one by one: each that was due is there once, and no other."""
    due, there = Counter(expected), Counter(found)
    missing = [f"missing: {_shown(effect)} ({count})" for effect, count in (due - there).items()]
    extra = [f"too many: {_shown(effect)} ({count})" for effect, count in (there - due).items()]
    return Check(what=what, expected=due.total(), found=there.total(), details=_few(missing + extra))


def check_endings(accepted: Sequence[Accepted], ended: Sequence[Ended]) -> list[Check]:
    """Every accepted command ended as it was meant to; what no retry can help was not retried, what may pass was."""
    due = [(command.queue, command.job_id, command.succeeds) for command in accepted]
    came = [(end.command.queue, end.command.job_id, end.done) for end in ended]
    failed = [end for end in ended if not end.done]
    retried = {end.command.kind for end in ended if end.retries} & TRANSIENT
    return [
        each_once("accepted commands that ended as they were meant to", due, came),
        Check(
            what="commands that failed for good in their first run",
            expected=len(failed),
            found=sum(not end.retries for end in failed),
        ),
        Check(
            what="kinds with a passing fault that were retried",
            expected=", ".join(sorted(TRANSIENT)),
            found=", ".join(sorted(retried)),
        ),
    ]


def check_transactions(
    accepted: Sequence[Accepted], payments: Sequence[Payment], states: Mapping[str, str], *, validated: int
) -> list[Check]:
    """Every payment's transaction is there, was validated, and came to what it was meant to; there is no other."""
    due = {payment.tx_id: payment.state for payment in payments}
    validations = effects_of(accepted, Kind.VALIDATION)
    return [
        Check(what="transactions that were validated", expected=len(validations), found=validated),
        each_once("transactions in the state they were meant to come to", due.items(), states.items()),
    ]


def check_ledger(accepted: Sequence[Accepted], ledger: Sequence[Entry]) -> list[Check]:
    """One capture for each settlement, one entry for each refund, exact sums, nothing given back twice."""
    kinds = {"capture": Kind.SETTLEMENT, "refund": Kind.REFUND}
    checks = [
        each_once(f"ledger: one {name} for each {kind} done", effects_of(accepted, kind), _entries(ledger, name))
        for name, kind in kinds.items()
    ]
    for name, kind in kinds.items():
        checks += _sums(name, effects_of(accepted, kind), _entries(ledger, name))
    balances: defaultdict[str, int] = defaultdict(int)
    for entry in ledger:
        balances[entry.tx_id] += entry.minor
    over = [tx_id for tx_id, balance in balances.items() if balance < 0]
    found = Check(what="ledger: refunded over their capture", expected=0, found=len(over), details=_few(over))
    return [*checks, found]


def check_deliveries(what: str, due: Sequence[Effect], arrived: Sequence[Effect], *, recorded: int) -> list[Check]:
    """One arrival for each delivery done, none twice, and as many in the database."""
    return [
        each_once(f"{what}: one arrived for each done", due, arrived),
        Check(what=f"{what}: recorded as delivered", expected=len(due), found=recorded),
    ]


def check_waits(given: int, seconds: float, waits: Sequence[tuple[int, float]]) -> list[Check]:
    """Every 429 that Slack gave was met by a wait of at least its Retry-After."""
    kept = sum(times for times, waited in waits if waited >= times * seconds)
    return [Check(what=f"Slack: 429s after which {seconds:.0f} s were waited", expected=given, found=kept)]


def check_queues(ended: Sequence[Ended], queues: Sequence[Mapping[str, Any]]) -> list[Check]:
    """Nothing waits or runs; as many failed, and as many completed as a queue keeps, as ended so."""
    checks = []
    for queue in queues:
        ends = Counter(end.done for end in ended if end.command.queue == queue["name"])
        due = _counts(completed=min(ends[True], KEPT_COMPLETED), failed=ends[False])
        checks.append(Check(what=f"queue {queue['name']}", expected=due, found=_counts(**queue)))
    return checks


def effects_of(accepted: Iterable[Accepted], *kinds: Kind) -> list[Effect]:
    """Return what the commands of these kinds that are meant to succeed leave behind."""
    return [command.effect for command in accepted if command.kind in kinds and command.succeeds]


def _entries(ledger: Iterable[Entry], kind: str) -> list[Effect]:
    return [(entry.tx_id, entry.currency, entry.minor) for entry in ledger if entry.kind == kind]


def _sums(name: str, expected: Iterable[Effect], found: Iterable[Effect]) -> list[Check]:
    due, there = _by_currency(expected), _by_currency(found)
    return [
        Check(
            what=f"ledger: sum of every {name} in {code}",
            expected=amount(due[code], code),
            found=amount(there[code], code),
        )
        for code in sorted({*due, *there})
    ]


def _by_currency(effects: Iterable[Effect]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for _, currency, minor in effects:
        sums[currency] += minor
    return sums


def _counts(**counts: Any) -> str:
    states = ("completed", "failed", "waiting", "active", "delayed")
    return ", ".join(f"{counts[state]} {state}" for state in states if counts.get(state)) or "empty"


def _shown(effect: Effect) -> str:
    return " ".join(map(str, effect))


def _few(details: Sequence[str]) -> tuple[str, ...]:
    rest = len(details) - MOST_DETAILS
    return (*details[:MOST_DETAILS], f"and {rest} more") if rest > 0 else tuple(details)
