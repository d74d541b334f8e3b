"""Metadata: what every job carries, and how one flow passes it on."""

import asyncio
import threading
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from queues.errors import InvalidMetadata
from queues.metadata import JobMetadata, SystemUser, UserToken, current_metadata, new_metadata, use_metadata


def test_the_system_user_is_the_specifications() -> None:
    """Sub and role are `system`, the name System, and it has a tenant."""
    user = SystemUser(tenant="acme")

    assert (user.sub, user.tenant, user.roles, user.display_name) == ("system", "acme", ("system",), "System")
    assert isinstance(user, UserToken)


def test_metadata_is_made_whole_from_a_correlation_id() -> None:
    """The user is the system, the time is now in UTC, and nothing else is made up."""
    before = datetime.now(UTC)

    metadata = JobMetadata(correlation_id="corr-1")

    assert before <= metadata.timestamp <= datetime.now(UTC)
    assert (metadata.user, metadata.source, metadata.traceparent) == (SystemUser(), "queues", None)
    assert dict(metadata.business_context) == {}


def test_metadata_does_not_change() -> None:
    """It is frozen, as every value that crosses a boundary."""
    with pytest.raises(FrozenInstanceError):
        JobMetadata(correlation_id="c").source = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        JobMetadata("c")  # type: ignore[call-arg, misc]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("correlation_id", ""),
        ("correlation_id", "x" * 256),
        ("correlation_id", None),
        ("correlation_id", 7),
        ("user", None),
        ("user", {"sub": "u1"}),
        ("source", None),
        ("source", "x" * 256),
        ("timestamp", datetime(2026, 1, 1)),  # noqa: DTZ001 - naive on purpose
        ("timestamp", "2026-01-01T00:00:00Z"),
        ("business_context", ["a"]),
        ("traceparent", "x"),
        ("traceparent", 1),
        ("traceparent", ""),
        ("traceparent", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: Any) -> None:
    """InvalidMetadata says which field, and what would be right."""
    with pytest.raises(InvalidMetadata, match=field) as caught:
        JobMetadata(**{"correlation_id": "c", field: value})

    assert caught.value.field == field


def test_a_time_of_any_zone_is_taken() -> None:
    """Case B27: what matters is that the zone is known."""
    sydney = timezone(timedelta(hours=11))

    assert JobMetadata(correlation_id="c", timestamp=datetime(2026, 1, 1, tzinfo=sydney)).timestamp.tzinfo is sydney


def test_new_metadata_is_a_flow_of_its_own() -> None:
    """Outside any job each call makes another correlation id, a UUID."""
    one, two = new_metadata(), new_metadata("scheduler")

    assert one.correlation_id != two.correlation_id
    assert str(UUID(one.correlation_id)) == one.correlation_id
    assert two.source == "scheduler"


def test_a_running_job_passes_its_flow_on() -> None:
    """Inside the block new metadata has the same flow, user, source, context and trace, and a time of its own."""
    running = JobMetadata(
        correlation_id="flow",
        user=UserToken(sub="u1"),
        source="api",
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        business_context={"a": 1},
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )

    with use_metadata(running):
        assert current_metadata() is running
        child = new_metadata()

    assert current_metadata() is None
    assert child.timestamp > running.timestamp
    for field in ("correlation_id", "user", "source", "business_context", "traceparent"):
        assert getattr(child, field) == getattr(running, field), field


def test_the_flow_ends_with_its_block() -> None:
    """Nested blocks and errors leave what was there before."""
    outer, inner = JobMetadata(correlation_id="outer"), JobMetadata(correlation_id="inner")

    with use_metadata(outer):
        with use_metadata(inner):
            assert current_metadata() is inner
        assert current_metadata() is outer
        with pytest.raises(ZeroDivisionError), use_metadata(inner):
            _ = 1 // 0
        assert current_metadata() is outer
    assert current_metadata() is None


def test_flows_of_threads_and_tasks_do_not_meet() -> None:
    """A thread starts without a flow; tasks side by side keep their own."""
    seen: list[Any] = []

    async def task(name: str) -> str:
        with use_metadata(JobMetadata(correlation_id=name)):
            await asyncio.sleep(0)
            return new_metadata().correlation_id

    async def both() -> list[str]:
        return list(await asyncio.gather(task("one"), task("two")))

    with use_metadata(JobMetadata(correlation_id="main")):
        thread = threading.Thread(target=lambda: seen.append(current_metadata()))
        thread.start()
        thread.join()
        assert asyncio.run(both()) == ["one", "two"]
    assert seen == [None]
