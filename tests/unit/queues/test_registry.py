"""Queues by name: built once, overridden in tests, and back as they were afterwards."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from pytest_django.fixtures import Settings

from queues import get_queue
from queues.adapters.memory import MemoryQueue
from queues.conf import QueueConf
from queues.errors import QueueMisconfigured, UnknownQueue
from queues.names import QueueName
from queues.registry import QueueRegistry, registry

MEMORY = "queues.adapters.memory.MemoryQueue"
CLOSING = f"{__name__}.ClosingQueue"
closed: list["ClosingQueue"] = []


class ClosingQueue(MemoryQueue):
    """A queue that notes when it is closed, and takes long to build."""

    built = 0

    def __init__(self, conf: QueueConf) -> None:
        """Let other threads run while it is built."""
        super().__init__(conf)
        Event().wait(0.02)
        type(self).built += 1

    def close(self) -> None:
        """Note it."""
        closed.append(self)


@pytest.fixture
def queues(settings: Settings) -> Iterator[QueueRegistry]:
    """A registry of its own, over the memory provider."""
    settings.QUEUES = {"default": {"BACKEND": MEMORY}, "reports": {"CRASH_LIMIT": 7}}
    closed.clear()
    fresh = QueueRegistry()
    yield fresh
    fresh.close()


def test_a_queue_is_built_once_and_from_its_settings(queues: QueueRegistry) -> None:
    """The same name is the same queue, as text or as QueueName."""
    queue = queues["reports"]

    assert isinstance(queue, MemoryQueue)
    assert (queue.name, queue.conf.crash_limit) == ("reports", 7)
    assert queues["reports"] is queue
    assert queues[QueueName.SLACK_ALERTS] is queues["slack-alerts"]


def test_every_name_is_listed(queues: QueueRegistry) -> None:
    """The specification's eight, then the team's own."""
    assert list(queues) == [*QueueName, "reports"]


def test_get_queue_without_a_name_is_data_processing() -> None:
    """The specification's GENERIC_QUEUE."""
    with registry.override(MEMORY):
        assert get_queue() is get_queue(QueueName.DATA_PROCESSING)
        assert get_queue().name == "data-processing"


@pytest.mark.parametrize("name", ["nope", "default", ""])
def test_an_unknown_queue_is_told_which_exist(queues: QueueRegistry, name: str) -> None:
    """Each time, and nothing is kept of it."""
    for _ in range(2):
        with pytest.raises(UnknownQueue, match=r"transaction-processing.*reports"):
            queues[name]
    assert name not in list(queues)


def test_wrong_settings_are_an_error_until_they_are_right(queues: QueueRegistry, settings: Settings) -> None:
    """A queue that could not be built is built when its settings are right."""
    settings.QUEUES = {"default": {"BACKEND": MEMORY, "LEASE": 5}}
    with pytest.raises(QueueMisconfigured, match="LEASE"):
        queues["slack-alerts"]

    settings.QUEUES = {"default": {"BACKEND": MEMORY}}

    assert queues["slack-alerts"].name == "slack-alerts"


def test_threads_that_ask_at_once_get_one_queue(queues: QueueRegistry) -> None:
    """Thirty threads, one instance, built once."""
    ClosingQueue.built = 0
    start = Barrier(30)

    def ask(_: int) -> object:
        start.wait()
        return queues["slack-alerts"]

    with queues.override(CLOSING), ThreadPoolExecutor(30) as pool:
        asked = list(pool.map(ask, range(30)))

    assert len({id(queue) for queue in asked}) == 1
    assert ClosingQueue.built == 1


def test_a_mapping_puts_a_queue_in_the_place_of_another(queues: QueueRegistry) -> None:
    """The specification's mock registry: the named queue is the given one, the others stay."""
    real, other = queues["slack-alerts"], queues["slack-messages"]
    fake = MemoryQueue(QueueConf(name="fake"))

    with queues.override({"slack-alerts": fake}) as same:
        assert same is queues
        assert queues["slack-alerts"] is fake
        assert queues["slack-messages"] is other
    assert queues["slack-alerts"] is real


def test_a_backend_takes_the_place_of_every_other(queues: QueueRegistry) -> None:
    """Every queue is new, on that backend, with its own settings; afterwards all are as before."""
    real = queues["reports"]

    with queues.override(CLOSING):
        inside = queues["reports"]
        assert isinstance(inside, ClosingQueue)
        assert inside is queues["reports"]
        assert inside.conf.crash_limit == 7
    assert queues["reports"] is real
    assert closed == [inside]


def test_overrides_nest(queues: QueueRegistry) -> None:
    """The inner one is over the outer one, and leaves what it does not name."""
    fake, inner = MemoryQueue(QueueConf(name="fake")), MemoryQueue(QueueConf(name="inner"))

    with queues.override({"slack-alerts": fake, "reports": fake}):
        with queues.override({"reports": inner}):
            assert (queues["slack-alerts"], queues["reports"]) == (fake, inner)
            with queues.override(MEMORY):
                assert queues["slack-alerts"] not in {fake, inner}
            with queues.override(MEMORY), queues.override(MEMORY):
                assert queues["reports"] not in {fake, inner}
            assert (queues["slack-alerts"], queues["reports"]) == (fake, inner)
        assert (queues["slack-alerts"], queues["reports"]) == (fake, fake)


def test_a_mapping_inside_a_backend_keeps_that_backends_queues(queues: QueueRegistry) -> None:
    """Jobs added in the outer block are seen in the inner one."""
    with queues.override(CLOSING):
        outer = queues["slack-messages"]
        with queues.override({"slack-alerts": MemoryQueue(QueueConf(name="fake"))}):
            assert queues["slack-messages"] is outer
            assert isinstance(queues["reports"], ClosingQueue)
        assert queues["slack-messages"] is outer
        assert outer not in closed
    assert outer in closed


def test_a_given_queue_is_its_givers_to_close(queues: QueueRegistry) -> None:
    """What a test put in is not closed behind its back; what was built inside is."""
    given = ClosingQueue(QueueConf(name="given"))

    with queues.override(CLOSING), queues.override({"slack-alerts": given}):
        assert queues["slack-alerts"] is given
        built = queues["reports"]

    assert closed == [built]


def test_an_override_ends_with_its_block(queues: QueueRegistry) -> None:
    """Also when the block fails."""
    real = queues["slack-alerts"]

    with pytest.raises(RuntimeError), queues.override(MEMORY):
        raise RuntimeError

    assert queues["slack-alerts"] is real


def test_a_closed_registry_builds_anew(queues: QueueRegistry) -> None:
    """Every queue is closed, and asked for again when it is needed."""
    with queues.override(CLOSING):
        before = queues["slack-alerts"]
        queues.close()
        assert closed == [before]
        assert queues["slack-alerts"] is not before
