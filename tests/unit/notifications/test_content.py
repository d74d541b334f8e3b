"""What the templates say."""

import pytest

from notifications.content import TEMPLATES, render
from notifications.delivery import message_id_of

MONEY = {"name": "Ada", "amount": "19.99", "currency": "EUR", "reference": "tx-1"}
CONTEXTS = {"receipt": MONEY, "refund": MONEY, "welcome": {"name": "Ada"}}


def test_every_template_has_an_example_here() -> None:
    """A template that is added without an example below fails here."""
    assert CONTEXTS.keys() == TEMPLATES.keys()


@pytest.mark.parametrize("template", CONTEXTS)
def test_template_shows_all_that_it_needs(template: str) -> None:
    """Each needed variable is in the text and in the HTML."""
    content = render(template, CONTEXTS[template])

    for name in TEMPLATES[template]:
        assert CONTEXTS[template][name] in content.text
        assert CONTEXTS[template][name] in content.html
    assert content.subject
    assert "{" not in content.subject + content.text


def test_optional_variables_are_shown_when_given() -> None:
    """A receipt may name the merchant, a refund its reason, a welcome a link."""
    assert "Merchant:  Acme" in render("receipt", {**MONEY, "merchant": "Acme"}).text
    assert "Merchant" not in render("receipt", MONEY).text
    assert "Reason:    broken" in render("refund", {**MONEY, "reason": "broken"}).text
    assert "https://example.org/in" in render("welcome", {"name": "Ada", "link": "https://example.org/in"}).html


def test_data_is_escaped_in_html_and_as_it_is_in_text() -> None:
    """Case B59: script in a name is text, in both forms of the e-mail."""
    name = "<script>alert(1)</script> & Söhne"
    content = render("welcome", {"name": name})

    assert name in content.text
    assert name in content.subject
    assert "<script>" not in content.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Söhne" in content.html


def test_subject_is_one_line_whatever_the_data_holds() -> None:
    """Case B45: line breaks and other control characters in data become spaces; so does the template's own end."""
    content = render("welcome", {"name": "Ada\r\nBcc: x@evil.example\x00\u2028!"})

    assert content.subject == "Welcome, Ada Bcc: x@evil.example !"
    assert render("welcome", {"name": "Ada"}).subject == "Welcome, Ada"


def test_subject_can_be_replaced() -> None:
    """A given subject is used in place of the template's."""
    assert render("welcome", {"name": "Ada"}, "Good morning").subject == "Good morning"


def test_message_id_is_the_jobs_own() -> None:
    """The same in every run of a job, another for another job, in the sender's domain."""
    first = message_id_of("notification-email:mail-1")

    assert first == message_id_of("notification-email:mail-1")
    assert first != message_id_of("notification-email:mail-2")
    assert first.startswith("<")
    assert first.endswith("@localhost>")
