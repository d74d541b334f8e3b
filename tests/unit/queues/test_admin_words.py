"""How pages write durations and errors."""

from datetime import UTC, datetime, timedelta

import pytest

from queues.admin.words import ago, as_json, between, duration, error_line

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "—"),
        (timedelta(0), "0.0 s"),
        (timedelta(milliseconds=340), "0.3 s"),
        (timedelta(seconds=-5), "0.0 s"),
        (timedelta(seconds=12.9), "12 s"),
        (timedelta(seconds=252), "4 min 12 s"),
        (timedelta(hours=1), "1 h"),
        (timedelta(hours=1, seconds=5), "1 h"),
        (timedelta(days=2, hours=3, minutes=4), "2 d 3 h"),
        (timedelta(days=4000), "4000 d"),
    ],
)
def test_a_duration_is_its_two_largest_units(value: timedelta | None, words: str) -> None:
    """Short enough for a table, exact enough to act on."""
    assert duration(value) == words


def test_a_moment_is_ago_or_ahead() -> None:
    """What is to come is "in", what was is "ago"."""
    assert ago(NOW - timedelta(minutes=2), NOW) == "2 min ago"
    assert ago(NOW + timedelta(seconds=14), NOW) == "in 14 s"
    assert ago(None, NOW) == "—"
    assert between(None, NOW) == "—"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (None, ""),
        ("", ""),
        (" \n ", ""),
        ("ValueError: no", "ValueError: no"),
        ("ValueError: no\n\ndetail", "ValueError: no"),
        ("Traceback (most recent call last):\n  File x\nValueError: no\n", "ValueError: no"),
        ("x" * 500, "x" * 159 + "…"),
    ],
)
def test_the_line_of_an_error_says_what_it_was(error: str | None, line: str) -> None:
    """A traceback's last line, anything else's first."""
    assert error_line(error) == line


def test_long_json_is_cut() -> None:
    """And says so."""
    text, cut = as_json({"a": "x" * 10_000})

    assert (len(text), cut) == (8_000, True)
    assert as_json({"a": "x" * 10_000}, whole=True)[1] is False
