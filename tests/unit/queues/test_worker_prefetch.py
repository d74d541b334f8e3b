"""How many jobs a worker holds: none when they are slow, many when they are fast, few that wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues.worker.prefetch import MOST, PREFETCH_SECONDS, Prefetch


def after(*notes: tuple[int, float]) -> Prefetch:
    """Return what adapted to these."""
    prefetch = Prefetch()
    for ended, seconds in notes:
        prefetch.note(ended, seconds)
    return prefetch


def test_it_holds_none_until_jobs_proved_fast() -> None:
    """A worker that knows nothing of its jobs takes as many as it can run."""
    assert Prefetch().extra == 0


@pytest.mark.parametrize(
    ("ended", "seconds", "extra"),
    [(100, 0.01, 40), (10, 0.01, 4), (1, 0.05, 0), (1, 3600.0, 0), (500, 0.0001, MOST), (500, 0.0, MOST)],
)
def test_it_holds_what_ends_within_its_time(ended: int, seconds: float, extra: int) -> None:
    """Sub-millisecond jobs: tens; jobs of 50 ms and more: none; never more than MOST."""
    assert after(*[(ended, seconds)] * 50).extra == pytest.approx(extra, abs=1)


@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0, 100)), max_size=50))
def test_it_is_never_out_of_range(notes: list[tuple[int, float]]) -> None:
    """Whatever was noted, it is a number from 0 to MOST."""
    assert 0 <= after(*notes).extra <= MOST


@given(st.integers(1, 500), st.floats(1e-6, 10))
def test_what_it_holds_waits_no_longer_than_its_time(ended: int, seconds: float) -> None:
    """At a steady pace the last job that is held starts within PREFETCH_SECONDS."""
    extra = after(*[(ended, seconds)] * 100).extra

    assert extra * min(1.0, seconds / ended) <= PREFETCH_SECONDS * 1.01


def test_it_follows_a_change_of_pace() -> None:
    """Ten batches after jobs have become slow it holds none, and ten after they are fast again it holds many."""
    fast, slow = [(100, 0.01)] * 50, [(1, 0.1)] * 10

    assert after(*fast).extra >= 39
    assert after(*fast, *slow).extra == 0
    assert after(*fast, *slow, *[(100, 0.01)] * 30).extra > 20


def test_slow_jobs_in_front_end_it_at_once() -> None:
    """A held job that waited too long lets it hold none, until the next batch shows how fast jobs are now."""
    prefetch = after(*[(100, 0.01)] * 50)
    prefetch.slow()

    assert prefetch.extra == 0
    prefetch.note(100, 0.01)
    assert prefetch.extra > 10
