"""`manage.py relay --once` and `manage.py reconcile`: what they do, print and answer."""

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from queues.durability.outbox import OutboxQueue
from queues.models import JobRecord
from queues.registry import registry
from tests.integration.durability import add, effects_table, impatient, outbox, work
from tests.support.valkey import Valkey, free_port

QUEUE = "data-processing"


@pytest.fixture
def queue(each_database: None, valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> Iterator[OutboxQueue]:
    """A queue that keeps records and whose relay waits for nothing; the registry has it and one without records."""
    impatient(monkeypatch)
    kept = outbox(valkey)
    with effects_table(), registry.override({QUEUE: kept, "file-processing": kept.inner}):
        yield kept


@pytest.fixture
def away(queue: OutboxQueue) -> Iterator[str]:
    """The name of another queue with records whose provider does not answer."""
    name = "slack-alerts"
    with registry.override({name: outbox(Valkey(port=free_port()), name=name)}):
        yield name


def run(*arguments: str) -> str:
    """Run a command and return what it printed."""
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def test_one_pass_publishes_what_is_owed(queue: OutboxQueue) -> None:
    """A line for each queue that keeps records; one that keeps none is passed over."""
    add(queue, "j")
    queue.drain()
    JobRecord.objects.update(state="open", published_at=None, ended_at=None)

    assert run("relay", "--once", QUEUE, "file-processing").split() == [QUEUE, "published", "1"]
    assert run("relay", "--once", "file-processing") == ""
    assert len(work(queue)) == 1


def test_reconcile_says_what_it_did_to_each_queue(queue: OutboxQueue, valkey: Valkey) -> None:
    """In words, and as JSON: published again, owed, never confirmed, pruned."""
    for number in range(3):
        add(queue, f"job-{number}")
    valkey.client().flushall()
    assert run("reconcile", QUEUE, "file-processing").split() == [
        *(QUEUE, "republished", "3", "owed", "3", "unpublished", "0", "known", "3", "pruned", "0")
    ]
    work(queue)
    JobRecord.objects.update(ended_at=timezone.now() - timedelta(days=3))

    (row,) = json.loads(run("reconcile", QUEUE, "file-processing", "--json", "--prune-days", "2"))
    assert row == {"queue": QUEUE, "republished": 0, "owed": 0, "unpublished": 0, "known": 0, "pruned": 3}


@pytest.mark.parametrize("command", [("relay", "--once"), ("reconcile",)])
def test_an_outage_of_one_queue_is_an_error_and_the_others_are_served(
    queue: OutboxQueue, away: str, valkey: Valkey, command: tuple[str, ...]
) -> None:
    """The exit code is 1, and it names the queue."""
    add(queue, "j")
    registry[away].add("effect.once.v1", {})
    JobRecord.objects.update(published_at=timezone.now())
    valkey.client().flushall()

    with pytest.raises(CommandError) as caught:
        run(*command, away, QUEUE)
    assert str(caught.value).startswith(f"{away}: ")
    assert queue.get_stats().waiting == 1


@pytest.mark.parametrize("arguments", [("relay", "--once", "nope"), ("reconcile", "nope")])
@pytest.mark.usefixtures("queue")
def test_an_unknown_queue_is_an_error(arguments: tuple[str, ...]) -> None:
    """It lists those that exist."""
    with pytest.raises(CommandError, match="There is no queue 'nope'"):
        run(*arguments)


@pytest.mark.parametrize("days", ["-1", "two", "1.5"])
@pytest.mark.usefixtures("queue")
def test_a_number_of_days_must_be_one(days: str) -> None:
    """Nothing is pruned by mistake."""
    with pytest.raises(CommandError, match="prune-days"):
        run("reconcile", f"--prune-days={days}")
