"""Options, backoff, retention: what each takes, refuses and does."""

import copy
from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from queues.errors import InvalidOptions
from queues.jobs import Backoff, JobOptions, JobState, QueueStats, Retention, check_job_id
from queues.priorities import Priority

MS = timedelta(milliseconds=1)
HOUR = timedelta(hours=1)


def refused(call: Any, field: str) -> InvalidOptions:
    """Return the refusal, which must name the field."""
    with pytest.raises(InvalidOptions) as caught:
        call()
    assert caught.value.field == field
    assert field in caught.value.message
    assert len(caught.value.message) < 300
    return caught.value


# JobOptions


def test_the_defaults_are_the_specifications() -> None:
    """Three attempts, NORMAL, exponential 2 s, no delay, 30 s, the last 100 and 50."""
    options = JobOptions()

    assert (options.attempts, options.priority, options.delay) == (3, Priority.NORMAL, timedelta(0))
    assert options.backoff == Backoff(kind="exponential", base=timedelta(seconds=2), cap=HOUR, jitter=0)
    assert (options.timeout, options.remove_on_complete, options.remove_on_fail) == (timedelta(seconds=30), 100, 50)
    assert options.job_id is None


def test_options_do_not_change() -> None:
    """They are frozen and take keywords only; an unknown one is an error."""
    with pytest.raises(FrozenInstanceError):
        JobOptions().attempts = 5  # type: ignore[misc]
    with pytest.raises(TypeError):
        JobOptions(5)  # type: ignore[call-arg, misc]
    with pytest.raises(TypeError, match="retries"):
        JobOptions(retries=5)  # type: ignore[call-arg]


@pytest.mark.parametrize("attempts", [1, 3, 10_000])
def test_attempts_count_runs(attempts: int) -> None:
    """Case B06: at least one."""
    assert JobOptions(attempts=attempts).attempts == attempts


@pytest.mark.parametrize("attempts", [0, -1, "3", 2.5, 3.0, None, True, 10_001, float("nan"), 10**30])
def test_attempts_that_are_no_number_of_runs_are_refused(attempts: Any) -> None:
    """Case B06: nothing is rounded, read from text, or taken for retries."""
    refused(lambda: JobOptions(attempts=attempts), "attempts")


@pytest.mark.parametrize("delay", [timedelta(0), MS, timedelta(days=30), timedelta(days=3650)])
def test_a_delay_of_up_to_ten_years_is_taken(delay: timedelta) -> None:
    """Case B34: 30 days do not overflow."""
    assert JobOptions(delay=delay).delay == delay


@pytest.mark.parametrize(
    "delay",
    [
        *(-MS, timedelta(microseconds=-1), timedelta(days=-2), timedelta(days=3651), timedelta.max),
        *(-1, 0, 5000, 1e18, 1.5, float("nan"), "5", None, datetime(2026, 1, 1, tzinfo=UTC)),
    ],
    ids=str,
)
def test_a_delay_out_of_range_is_refused(delay: Any) -> None:
    """Case B34: negative, too large, NaN and everything that is no timedelta."""
    assert "timedelta" in refused(lambda: JobOptions(delay=delay), "delay").message


@pytest.mark.parametrize("timeout", [timedelta(0), -MS, timedelta(microseconds=1), timedelta(days=8), 30, -1, None])
def test_a_timeout_that_cannot_be_kept_is_refused(timeout: Any) -> None:
    """Case B10: 0 and -1 are no way to say unlimited."""
    refused(lambda: JobOptions(timeout=timeout), "timeout")


@pytest.mark.parametrize("priority", [0, 2, None, True, "1"])
def test_a_priority_that_is_no_level_is_refused(priority: Any) -> None:
    """Case B05: and a number that is one becomes the level."""
    refused(lambda: JobOptions(priority=priority), "priority")
    assert JobOptions(priority=3).priority is Priority.HIGH  # type: ignore[arg-type]


@pytest.mark.parametrize("backoff", [None, 2000, timedelta(seconds=2), {"type": "fixed", "delay": 1000}])
def test_a_backoff_of_another_type_is_refused(backoff: Any) -> None:
    """It must be a Backoff."""
    refused(lambda: JobOptions(backoff=backoff), "backoff")


@pytest.mark.parametrize("job_id", ["a:b", "x/y", "a.b", "../x", "a b", "日本", "a\n", "0", " ", "\x7f", "x" * 255])
def test_any_string_of_one_to_255_characters_is_an_id(job_id: str) -> None:
    """Case B13: whatever a provider allows in its keys."""
    assert JobOptions(job_id=job_id).job_id == check_job_id(job_id) == job_id


@pytest.mark.parametrize(
    "job_id", ["", "x" * 256, 123, 0, b"x", 1.5, True, ["a"], "\ud800", "a\udfff", "\x00", "a\x00"], ids=ascii
)
def test_anything_else_is_no_id(job_id: Any) -> None:
    """Case B13: empty, too long, no string, half a surrogate pair, or NUL, which no database takes."""
    assert "255" in refused(lambda: JobOptions(job_id=job_id), "job_id").message
    refused(lambda: check_job_id(job_id), "job_id")


# over


def test_an_option_that_was_not_given_is_the_queues() -> None:
    """What was given stays, also when it equals the default."""
    queue = JobOptions(attempts=9, priority=Priority.LOW, timeout=HOUR, remove_on_fail=None)

    options = JobOptions(priority=Priority.NORMAL, job_id="j1").over(queue)

    assert (options.priority, options.job_id) == (Priority.NORMAL, "j1")
    assert (options.attempts, options.timeout, options.remove_on_fail) == (9, HOUR, None)


def test_what_is_complete_needs_no_defaults() -> None:
    """Options over defaults are complete: other defaults change nothing more."""
    once = JobOptions(attempts=2).over(JobOptions(timeout=HOUR))

    assert once.over(JobOptions(timeout=2 * HOUR, attempts=7, job_id="other")) == once
    everything = {each.name: getattr(once, each.name) for each in fields(JobOptions) if each.init}
    assert JobOptions(**everything).over(JobOptions(timeout=2 * HOUR)) == once


def test_which_options_were_given_is_no_difference() -> None:
    """Options of equal values are equal, hash alike, and survive a copy."""
    given, not_given = JobOptions(attempts=3), JobOptions()

    assert given == not_given
    assert hash(given) == hash(not_given)
    assert copy.copy(given).over(JobOptions(attempts=9, timeout=HOUR)).attempts == 3
    assert "_given" not in repr(given)


# Backoff


def milliseconds(backoff: Backoff, *attempts: int) -> list[float]:
    """Return the waits after these attempts."""
    return [backoff.wait(attempt) / MS for attempt in attempts]


def test_an_exponential_wait_is_capped_before_it_overflows() -> None:
    """Case B25: 1,000 ms doubles up to one hour, and attempt 1,100 is no OverflowError."""
    backoff = Backoff(base=timedelta(seconds=1), cap=HOUR)

    assert milliseconds(backoff, 1, 2, 3, 47, 1100) == [1000, 2000, 4000, 3_600_000, 3_600_000]
    assert milliseconds(backoff, 12, 13, 10_000) == [2_048_000, 3_600_000, 3_600_000]


def test_the_specifications_backoff_doubles_from_two_seconds() -> None:
    """2 s, 4 s, 8 s."""
    assert milliseconds(Backoff(), 1, 2, 3) == [2000, 4000, 8000]


def test_a_fixed_wait_stays() -> None:
    """The same after every attempt, and never above the cap."""
    assert milliseconds(Backoff(kind="fixed", base=1500 * MS), 1, 2, 1100) == [1500, 1500, 1500]
    assert milliseconds(Backoff(kind="fixed", base=2 * HOUR, cap=HOUR), 1) == [3_600_000]
    assert milliseconds(Backoff(base=2 * HOUR, cap=HOUR), 1, 2) == [3_600_000, 3_600_000]


@pytest.mark.parametrize(
    ("base", "cap"), [(MS, timedelta(days=3650)), (timedelta(days=3650), timedelta(days=3650)), (MS, MS)]
)
def test_the_ends_of_the_range_hold(base: timedelta, cap: timedelta) -> None:
    """From one millisecond to ten years, over every attempt that there can be."""
    backoff = Backoff(base=base, cap=cap)
    waits = [backoff.wait(attempt) for attempt in (1, 2, 40, 10_000)]

    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (base, cap)


def test_jitter_spreads_the_waits() -> None:
    """Case B25: fifty jobs that fail together come back within [0.5 d, d], not at once; 0 gives exactly d."""
    spread = milliseconds(Backoff(base=timedelta(seconds=10), jitter=0.5), *[2] * 50)

    assert all(10_000 <= wait <= 20_000 for wait in spread)
    assert len(set(spread)) > 25
    assert set(milliseconds(Backoff(base=timedelta(seconds=10), jitter=0), *[2] * 50)) == {20_000}
    assert all(0 <= wait <= 10_000 for wait in milliseconds(Backoff(base=timedelta(seconds=10), jitter=1), *[1] * 50))


@pytest.mark.parametrize("base", [timedelta(0), -MS, timedelta(microseconds=999), timedelta.max, 2000, None])
def test_a_base_that_would_retry_at_once_is_refused(base: Any) -> None:
    """Case B25: zero, negative, below a millisecond, or no timedelta."""
    refused(lambda: Backoff(base=base), "backoff.base")
    refused(lambda: Backoff(cap=base), "backoff.cap")


@pytest.mark.parametrize("jitter", [-0.1, 1.1, float("nan"), "0.5", None, True])
def test_jitter_is_a_share(jitter: Any) -> None:
    """From 0 to 1."""
    refused(lambda: Backoff(jitter=jitter), "backoff.jitter")


@pytest.mark.parametrize("kind", ["linear", "", None, "Fixed", 1, ["fixed"]])
def test_a_backoff_is_fixed_or_exponential(kind: Any) -> None:
    """Any other kind is refused."""
    refused(lambda: Backoff(kind=kind), "backoff")


# Retention


@pytest.mark.parametrize(
    ("value", "count", "age"),
    [
        (True, 0, None),
        (0, 0, None),
        (1, 1, None),
        (3, 3, None),
        (Retention(count=3), 3, None),
        (None, None, None),
        (False, None, None),
        (Retention(), None, None),
        (HOUR, None, HOUR),
        (Retention(age=MS), None, MS),
    ],
    ids=str,
)
def test_what_is_kept_is_read_from_a_count_or_an_age(value: Any, count: int | None, age: timedelta | None) -> None:
    """Case B11 c: true and 0 keep none, a number that many, None and false all, a timedelta for so long."""
    retention = Retention.parse(value, "remove_on_complete")

    assert (retention.count, retention.age) == (count, age)


@pytest.mark.parametrize("value", [-1, 2.5, "3", timedelta(0), -HOUR, {"count": 3}, [3], 10**12, float("nan")], ids=str)
def test_what_cannot_be_kept_is_refused(value: Any) -> None:
    """The error names the option."""
    refused(lambda: Retention.parse(value, "remove_on_fail"), "remove_on_fail")
    refused(lambda: JobOptions(remove_on_complete=value), "remove_on_complete")
    refused(lambda: JobOptions(remove_on_fail=value), "remove_on_fail")


@pytest.mark.parametrize(
    ("wrong", "field"), [({"count": -1}, "count"), ({"count": True}, "count"), ({"age": 5}, "age")]
)
def test_a_retention_checks_itself(wrong: dict[str, Any], field: str) -> None:
    """A negative count and an age that is no duration are refused."""
    refused(lambda: Retention(**wrong), field)


def test_a_retention_has_a_count_or_an_age() -> None:
    """Both at once would need an order between them that no provider keeps."""
    with pytest.raises(InvalidOptions, match="not both"):
        Retention(count=3, age=HOUR)


def test_true_is_not_taken_for_one() -> None:
    """Python's True equals 1: options that keep none and options that keep one must differ."""
    assert JobOptions(remove_on_complete=True).remove_on_complete == 0
    assert JobOptions(remove_on_fail=False).remove_on_fail is None
    assert JobOptions(remove_on_complete=True) != JobOptions(remove_on_complete=1)
    assert JobOptions(remove_on_complete=False) != JobOptions(remove_on_complete=0)


# Stats


def test_stats_say_each_states_count() -> None:
    """`counts` has every state, in the order of a job's life."""
    stats = QueueStats(waiting=1, active=2, delayed=3, completed=4, failed=5)

    assert stats.counts == dict(zip(JobState, (1, 2, 3, 4, 5), strict=True))
    assert (QueueStats().is_paused, QueueStats().oldest_waiting) == (False, None)
