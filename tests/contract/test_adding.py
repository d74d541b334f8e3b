"""The contract of `add` and `add_bulk`: what goes in is wholly there, in order, as it was given."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from queues.adapters.base import AdapterQueue
from queues.codec import decode
from queues.errors import InvalidJobName, InvalidMetadata, InvalidOptions, InvalidPayload, PayloadTooLarge
from queues.jobs import Backoff, JobOptions, JobState, NewJob
from queues.metadata import JobMetadata, SystemUser, UserToken, use_metadata
from queues.priorities import Priority
from tests.contract.conftest import Advance, MakeQueue
from tests.contract.steps import MS, NAME, SECOND, counts, ids, job, listed, new, order, take_one


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Something in a payload that has fields of its own."""

    unit_price: Decimal
    made_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A payload with every type that keeps its meaning."""

    order_id: UUID
    amount: Decimal
    paid_at: datetime
    lines: tuple[Line, ...]
    huge: int
    note: str = ""


ORDER = Order(
    order_id=UUID("6f9619ff-8b86-4d01-b42d-00cf4fc964ff"),
    amount=Decimal("0.10"),
    paid_at=datetime(2026, 1, 1, 5, 30, 0, 123_000, tzinfo=UTC),
    lines=(Line(unit_price=Decimal("19.990"), made_on=date(2026, 2, 28)),),
    huge=2**70,
    note="Zürich 日本 \x00 \u2028 \U0001f389",
)


def test_add_says_what_it_added(queue: AdapterQueue) -> None:
    """`add` returns the job with its id, name, queue, data, options, metadata and state."""
    before = datetime.now(UTC) - timedelta(minutes=1)

    added = queue.add(NAME, {"n": 1}, JobOptions(priority=Priority.HIGH))

    assert (added.name, added.queue, added.data, added.state) == (NAME, queue.name, {"n": 1}, JobState.WAITING)
    assert added.options.priority is Priority.HIGH
    assert added.metadata.correlation_id
    assert (added.progress, added.attempts_made, added.attempts, added.duplicate) == (0, 0, (), False)
    assert before < added.created_at < before + timedelta(minutes=2)
    assert counts(queue) == {"waiting": 1}


def test_a_job_read_back_is_the_job_that_was_added(queue: AdapterQueue) -> None:
    """`get_job` returns the same id, options, metadata and times; data as its JSON object."""
    options = JobOptions(
        attempts=7,
        priority=Priority.LOW,
        backoff=Backoff(kind="fixed", base=1234 * MS, cap=9999 * MS, jitter=0.25),
        delay=timedelta(hours=1),
        timeout=1500 * MS,
        remove_on_complete=3,
        remove_on_fail=None,
        job_id="j1",
    )

    added = queue.add(NAME, {"a": {"b": [1, "x", None, True, 1.5]}}, options)
    read = job(queue, "j1")

    assert read.data == {"a": {"b": [1, "x", None, True, 1.5]}}
    assert (read.id, read.name, read.queue, read.state) == ("j1", NAME, queue.name, JobState.DELAYED)
    for option in ("attempts", "priority", "backoff", "timeout", "remove_on_complete", "remove_on_fail"):
        assert getattr(read.options, option) == getattr(options, option), option
    assert read.metadata == added.metadata
    assert abs(read.created_at - added.created_at) <= MS
    assert added.available_at is not None
    assert read.available_at is not None
    assert abs(read.available_at - added.available_at) <= MS
    assert abs(read.available_at - read.created_at - timedelta(hours=1)) <= MS


def test_a_payload_arrives_as_what_it_was(queue: AdapterQueue) -> None:
    """Case B39: Decimal, aware datetime, date, UUID, tuple and 2**70 are the same in every provider."""
    queue.add(NAME, ORDER)

    delivery = take_one(queue)

    assert decode(delivery.body, Order) == ORDER
    assert b'"amount":"0.10"' in delivery.body


@pytest.mark.parametrize(
    "bad",
    [{1, 2}, b"x", Decimal("NaN"), float("inf"), datetime(2026, 1, 1), object(), "\ud800", {3: 4}],  # noqa: DTZ001 - naive on purpose
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_carry_is_refused_at_add(queue: AdapterQueue, bad: Any) -> None:
    """Cases B39 and B55: the caller is told the field, and nothing is stored."""
    with pytest.raises(InvalidPayload) as caught:
        queue.add(NAME, {"good": 1, "bad": [bad]})

    assert caught.value.field == "bad[0]"
    assert counts(queue) == {}


@pytest.mark.parametrize("name", ["process-data", "notification", "a.b", "a.b.v0", "A.b.v1", "a.b.v1\n", "", None, 7])
def test_a_name_that_is_not_domain_action_version_is_refused(queue: AdapterQueue, name: Any) -> None:
    """A bad job name stores nothing."""
    with pytest.raises(InvalidJobName) as caught:
        queue.add(name, {})

    assert caught.value.field == "name"
    assert counts(queue) == {}


def test_options_and_metadata_of_a_wrong_type_are_refused(queue: AdapterQueue) -> None:
    """A dict is not taken for options or metadata, and the error says so."""
    with pytest.raises(InvalidOptions, match="must be a JobOptions") as caught:
        queue.add(NAME, {}, {"attempts": 3})  # type: ignore[arg-type]
    assert caught.value.field == "options"
    with pytest.raises((InvalidMetadata, InvalidOptions), match="must be a JobMetadata") as caught_too:
        queue.add(NAME, {}, metadata={"correlation_id": "c"})  # type: ignore[arg-type]
    assert caught_too.value.field == "metadata"
    assert counts(queue) == {}


def test_a_payload_beyond_the_limit_is_refused(make_queue: MakeQueue) -> None:
    """The queue's own limit counts, in bytes of JSON."""
    queue = make_queue(payload_bytes=2000)

    queue.add(NAME, {"text": "x" * 1000})
    with pytest.raises(PayloadTooLarge, match="2000"):
        queue.add(NAME, {"text": "x" * 2000})

    assert counts(queue) == {"waiting": 1}


def test_metadata_travels_with_the_job(queue: AdapterQueue) -> None:
    """Correlation id, user, source, time, context and trace come back as they were given."""
    metadata = JobMetadata(
        correlation_id="corr-789",
        user=UserToken(sub="u1", tenant="t1", roles=("admin", "ops"), display_name="Ünal", email="u@example.com"),
        source="api",
        timestamp=datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC),
        business_context={"region": "eu", "nested": {"a": [1]}},
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )

    added = queue.add(NAME, {}, metadata=metadata)

    assert job(queue, added.id).metadata == metadata
    assert f'"correlationId":"{metadata.correlation_id}"'.encode() in take_one(queue).body


def test_a_job_added_by_a_job_inherits_its_flow(queue: AdapterQueue) -> None:
    """Without metadata of its own a job takes the correlation id and user of the one that runs."""
    running = JobMetadata(correlation_id="flow-1", user=SystemUser(tenant="acme"))

    with use_metadata(running):
        added = queue.add(NAME, {})

    assert (added.metadata.correlation_id, added.metadata.user) == ("flow-1", SystemUser(tenant="acme"))
    assert queue.add(NAME, {}).metadata.correlation_id != "flow-1"


def test_options_not_given_are_the_queues(make_queue: MakeQueue) -> None:
    """Each option that the caller did not name comes from the queue's settings."""
    queue = make_queue(options=JobOptions(attempts=9, timeout=5 * SECOND))

    given = queue.add(NAME, {}, JobOptions(timeout=7 * SECOND))
    none = queue.add(NAME, {})

    assert (job(queue, given.id).options.attempts, job(queue, given.id).options.timeout) == (9, 7 * SECOND)
    assert (job(queue, none.id).options.attempts, job(queue, none.id).options.timeout) == (9, 5 * SECOND)


def test_the_specifications_defaults_hold(queue: AdapterQueue) -> None:
    """NORMAL, three attempts, exponential 2 s, 30 s, the last 100 completed and 50 failed."""
    options = job(queue, queue.add(NAME, {}).id).options

    assert (options.priority, options.attempts, options.timeout) == (Priority.NORMAL, 3, 30 * SECOND)
    assert (options.backoff.kind, options.backoff.base) == ("exponential", 2 * SECOND)
    assert (options.remove_on_complete, options.remove_on_fail) == (100, 50)


@pytest.mark.parametrize("delay_ms", [1, 50, 999, 1001, 2_592_000_000])
def test_a_delay_is_kept_to_the_millisecond(queue: AdapterQueue, delay_ms: int) -> None:
    """Case B34: from 1 ms to 30 days, the run time is now plus the delay; 30 days do not run at once."""
    added = queue.add(NAME, {}, JobOptions(delay=delay_ms * MS))

    read = job(queue, added.id)

    assert read.available_at is not None
    assert abs(read.available_at - read.created_at - delay_ms * MS) <= MS
    if delay_ms > 1_000_000:
        assert (read.state, order(queue)) == (JobState.DELAYED, [])


def test_a_delayed_job_waits_for_its_time(queue: AdapterQueue, advance: Advance) -> None:
    """However often a worker asks, the job starts when its delay is over and no sooner."""
    added = queue.add(NAME, {}, JobOptions(delay=150 * MS))
    assert (added.state, counts(queue)) == (JobState.DELAYED, {"delayed": 1})

    while not (taken := order(queue)):
        advance(0.01)

    read = job(queue, added.id)
    assert taken == [added.id]
    assert read.processed_at is not None
    assert added.available_at is not None
    assert added.available_at - MS <= read.processed_at


def test_bulk_keeps_order_and_data(queue: AdapterQueue) -> None:
    """The specification's example: what comes back is in the order and with the data that went in."""
    added = queue.add_bulk(
        [
            NewJob(name="bulk.job.v1", data={"id": 1}, options=JobOptions(priority=Priority.HIGH)),
            NewJob(name="bulk.job.v1", data={"id": 2}, options=JobOptions(priority=Priority.LOW)),
            *(NewJob(name="bulk.job.v1", data={"id": n}) for n in range(3, 51)),
        ]
    )

    assert [each.data["id"] for each in added] == list(range(1, 51))
    assert [job(queue, each.id).data["id"] for each in added] == list(range(1, 51))
    assert order(queue) == ids([added[0], *added[2:], added[1]])


def test_bulk_of_nothing_is_nothing(queue: AdapterQueue) -> None:
    """`[]` gives `[]`."""
    assert queue.add_bulk([]) == []
    assert counts(queue) == {}


def test_every_option_of_every_item_counts(queue: AdapterQueue) -> None:
    """A bulk item has its own attempts, priority, backoff, delay, timeout, retention, id and metadata."""
    metadata = JobMetadata(correlation_id="item-2")
    options = JobOptions(
        attempts=4,
        priority=Priority.BULK,
        backoff=Backoff(kind="fixed", base=SECOND),
        delay=timedelta(hours=2),
        timeout=3 * SECOND,
        remove_on_complete=1,
        remove_on_fail=0,
        job_id="two",
    )

    queue.add_bulk([new("one"), NewJob(name="other.job.v2", data={"x": 1}, options=options, metadata=metadata)])
    read = job(queue, "two")

    assert (read.name, read.state, read.metadata.correlation_id) == ("other.job.v2", JobState.DELAYED, "item-2")
    for option in ("attempts", "priority", "backoff", "timeout", "remove_on_complete", "remove_on_fail"):
        assert getattr(read.options, option) == getattr(options, option), option
    assert counts(queue) == {"waiting": 1, "delayed": 1}


def test_one_bad_item_stops_the_whole_bulk(queue: AdapterQueue) -> None:
    """Every item is validated before anything is written; the error's field begins with the index."""
    with pytest.raises(InvalidPayload, match="Item 2") as caught:
        queue.add_bulk([new("a"), new("b"), new("c", {"x": {1}}), new("d")])
    assert caught.value.field == "2.x"
    with pytest.raises(InvalidJobName) as caught_too:
        queue.add_bulk([new("a"), new("b", name="nope")])
    assert caught_too.value.field == "1.name"

    assert counts(queue) == {}
    assert queue.get_job("a") is None


def test_ten_thousand_jobs_in_one_call(queue: AdapterQueue) -> None:
    """Case B46: a large bulk is taken whole, in order."""
    added = queue.add_bulk([new(None, {"n": n}) for n in range(10_000)])

    assert len(set(ids(added))) == 10_000
    assert counts(queue) == {"waiting": 10_000}
    assert listed(queue, JobState.WAITING)[:5] == ids(added[:5])


def test_a_bulk_beyond_the_limit_is_refused(queue: AdapterQueue) -> None:
    """Case B46: more than the documented limit is an error, never a silence."""
    with pytest.raises(PayloadTooLarge, match="10000") as caught:
        queue.add_bulk([new(None, {})] * 100_001)

    assert caught.value.field == "jobs"
    assert counts(queue) == {}


def test_the_async_twins_do_the_same(queue: AdapterQueue) -> None:
    """`aadd`, `aadd_bulk`, `aget_job`, `aremove_job` work in a running event loop."""

    async def scenario() -> None:
        one = await queue.aadd(NAME, {"n": 1}, JobOptions(job_id="one"), metadata=JobMetadata(correlation_id="c"))
        two, three = await queue.aadd_bulk([new("two"), new("three")])
        assert (one.metadata.correlation_id, two.id, three.id) == ("c", "two", "three")
        found = await queue.aget_job("one")
        assert found is not None
        assert found.data == {"n": 1}
        await queue.aremove_job("one")
        assert await queue.aget_job("one") is None

    asyncio.run(scenario())
    assert order(queue) == ["two", "three"]


def test_delayed_jobs_of_one_bulk_keep_their_order(queue: AdapterQueue, advance: Advance) -> None:
    """Jobs of equal delay and priority run first in, first out, whatever their ids are."""
    added = queue.add_bulk([new(f"{(n * 37) % 100:02}", delay=30 * MS) for n in range(20)])

    advance(0.05)

    assert order(queue) == ids(added)
