"""What a worker says while its provider is away: the beginning, a reminder a minute, the end (Case B57)."""

import logging
import threading
from types import SimpleNamespace

import pytest

from queues.errors import QueueUnavailable
from queues.worker import outage
from queues.worker.outage import LONGEST_PAUSE, QUIET_SECONDS, Outage

DOWN = QueueUnavailable("Redis did not answer")


class Clock:
    """Seconds that pass by hand."""

    def __init__(self) -> None:
        """Start at some time."""
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the outage alone."""
    clock = Clock()
    monkeypatch.setattr(outage, "time", SimpleNamespace(monotonic=clock))
    return clock


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged."""
    return [record.message for record in caplog.records]


def test_it_is_said_once_and_then_once_a_minute(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Of a hundred failed calls a second for three minutes, a line at the start and one a minute are logged."""
    away = Outage()
    for _ in range(180 * 100):
        away.seen(DOWN, "a")
        clock.now += 0.01

    assert said(caplog) == ["provider unavailable"] * 3
    assert caplog.records[0].levelno == logging.WARNING


def test_its_end_is_said_when_no_call_failed_for_a_while(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """A read that succeeds while writes are still refused is no end; no line is said twice."""
    away = Outage()
    away.seen(DOWN, "a")
    away.over()
    clock.now += QUIET_SECONDS + 0.1
    away.over()
    away.over()

    assert said(caplog) == ["provider unavailable", "provider available again"]


def test_a_provider_that_comes_and_goes_fills_no_log(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """However often it changes, at most two lines a second are logged, and on average less than one."""
    away = Outage()
    for _ in range(600):
        away.seen(DOWN, "a")
        clock.now += 0.1
        away.over()

    assert len(said(caplog)) <= 60


def test_pauses_grow_and_begin_anew_after_the_end(clock: Clock) -> None:
    """The wait before the next call doubles up to its longest, so that nothing spins."""
    away = Outage()
    pauses = [away.seen(DOWN, "a") for _ in range(8)]

    assert pauses == sorted(pauses)
    assert 0 < pauses[0] < pauses[-1] == LONGEST_PAUSE
    clock.now += QUIET_SECONDS + 1
    away.over()
    assert away.seen(DOWN, "a") == pauses[0]


def test_it_knows_which_queue_was_quiet(clock: Clock) -> None:
    """One queue's outage says nothing of another's."""
    away = Outage()
    away.seen(DOWN, "a")
    clock.now += 5

    assert away.quiet("b", 10)
    assert not away.quiet("a", 10)
    assert away.quiet("a", 4)


def test_threads_share_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """Ten threads that fail at once are one outage."""
    away = Outage()
    together = threading.Barrier(10)

    def fail() -> None:
        together.wait()
        away.seen(DOWN, threading.current_thread().name)

    threads = [threading.Thread(target=fail) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert said(caplog) == ["provider unavailable"]


def test_queues_of_one_provider_share_its_outage() -> None:
    """A failed call of one queue is noted for the other, which shares its Redis, and not for a third."""
    outage = Outage({"a": "one", "b": "one", "c": "two"})

    outage.seen(DOWN, "a")

    assert [outage.quiet(name, 10) for name in ("a", "b", "c")] == [False, False, True]
