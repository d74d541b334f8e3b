"""The contract's fixtures: each test runs once for every provider."""

from collections.abc import Callable, Iterator

import pytest

from queues.adapters.base import AdapterQueue
from tests.contract.providers import PROVIDERS, Provider

MakeQueue = Callable[..., AdapterQueue]
Advance = Callable[[float], None]


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> Iterator[Provider]:
    """One provider, open."""
    with PROVIDERS[request.param](request) as opened:
        yield opened


@pytest.fixture
def make_queue(provider: Provider) -> Iterator[MakeQueue]:
    """Make queues of the provider, each under its own name; takes QueueConf's settings."""
    made: list[AdapterQueue] = []

    def make(**settings: object) -> AdapterQueue:
        made.append(provider.make(**settings))
        return made[-1]

    yield make
    for queue in made:
        queue.close()


@pytest.fixture
def queue(make_queue: MakeQueue) -> AdapterQueue:
    """A queue with the default settings, in strict order."""
    return make_queue(lowest_first_every=0)


@pytest.fixture
def advance(provider: Provider) -> Advance:
    """Let seconds pass, as the provider counts them."""
    return provider.advance
