"""Text as Slack takes it: nothing of it mentions, links or breaks."""

import html

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slackworker.text import escape, fit, width


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("<!channel>", "&lt;!channel&gt;"),
        ("<@U0123> & <https://evil.example|bank>", "&lt;@U0123&gt; &amp; &lt;https://evil.example|bank&gt;"),
        ("&amp;", "&amp;amp;"),
        ("\"quoted\" 'too'", "\"quoted\" 'too'"),
        ("a\x00b", "ab"),
    ],
)
def test_control_characters_are_escaped_and_no_others(text: str, escaped: str) -> None:
    """Data can neither mention anybody nor hide a link; quotes stay."""
    assert escape(text) == escaped


def test_width_counts_an_emoji_twice() -> None:
    """Characters outside the basic plane have two UTF-16 units."""
    assert [width("abc"), width("ü"), width("🎉")] == [3, 1, 2]


def test_text_that_fits_is_not_cut() -> None:
    """The limit itself is allowed, entities counted in full."""
    assert fit("x" * 10, 10) == "x" * 10
    assert fit("<>", 8) == "&lt;&gt;"


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("x" * 11, 10, "x" * 9 + "…"),
        ("<>", 7, "&lt;…"),
        ("&&&", 4, "…"),
        ("ab🎉cd", 4, "ab…"),
        ("ab🎉cd", 5, "ab🎉…"),
        ("ab👩‍🚀cd", 5, "ab…"),
        ("ab👩‍🚀cd", 7, "ab…"),
        ("ab👩‍🚀cd", 8, "ab👩‍🚀…"),
        ("ab👍🏽cd", 6, "ab…"),
        ("ab👍🏽cd", 7, "ab👍🏽…"),
        ("abe\u0301cdef", 4, "ab…"),
        ("abe\u0301cdef", 5, "abe\u0301…"),
        ("1\ufe0f\u20e32\ufe0f\u20e3", 4, "1\ufe0f\u20e3…"),
        ("1\ufe0f\u20e32\ufe0f\u20e3", 5, "1\ufe0f\u20e3…"),
        ("🇩🇪🇫🇷", 7, "🇩🇪…"),
        ("🇩🇪🇫🇷🇮🇹", 10, "🇩🇪🇫🇷…"),
        ("e" + "\u0301" * 50, 10, "…"),
    ],
)
def test_cut_is_never_inside_a_character(text: str, limit: int, expected: str) -> None:
    """Case B42: an entity, an emoji of several parts, an accent and a flag are whole or gone."""
    assert fit(text, limit) == expected


@settings(deadline=None)
@given(st.text(), st.integers(1, 60))
def test_fitted_text_is_a_beginning_within_the_limit(text: str, limit: int) -> None:
    """Case B42: the result keeps the limit, and is the text or a beginning of it with an ellipsis."""
    fitted = fit(text, limit)

    assert width(fitted) <= limit
    if fitted != escape(text):
        assert fitted.endswith("…")
        assert escape(text).startswith(fitted[:-1])
        assert text.replace("\x00", "").startswith(html.unescape(fitted[:-1]))
