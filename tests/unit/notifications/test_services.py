"""Which e-mails are accepted, and with which options they are queued."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from notifications.payloads import EmailPayload
from notifications.services import EMAIL_JOB, enqueue_email
from queues import InvalidPayload, JobIdConflict, JobMetadata, JobState, Priority, QueueName, get_queue

pytestmark = pytest.mark.usefixtures("memory_queues")

WELCOME = EmailPayload(to="ada@example.org", template="welcome", context={"name": "Ada"})
RECEIPT = EmailPayload(
    to="Ada Lovelace <ada@example.org>",
    template="receipt",
    context={"name": "Ada", "amount": "19.99", "currency": "EUR", "reference": "tx-1"},
)


def waiting() -> int:
    """Return how many e-mails are queued."""
    return get_queue(QueueName.NOTIFICATION_EMAIL).get_stats().waiting


def test_email_is_queued_at_high_priority_for_three_attempts() -> None:
    """A person waits for it, so it goes before standard work."""
    job = enqueue_email(RECEIPT)

    assert (job.queue, job.name, job.state) == ("notification-email", "notification.email.send.v1", JobState.WAITING)
    assert (job.options.priority, job.options.attempts) == (Priority.HIGH, 3)
    assert job.options.backoff.base == timedelta(seconds=2)
    assert job.name == EMAIL_JOB
    assert job.data == RECEIPT


def test_email_carries_its_payload_in_camel_case_with_metadata_beside_it() -> None:
    """What the queue holds is what another language's worker would read; the context's keys stay as they are."""
    job = enqueue_email(replace(WELCOME, context={"name": "Ada", "first_login": True}), correlation_id="flow-1")

    stored = get_queue(job.queue).get_job(job.id)
    assert stored is not None
    assert stored.data == {
        "to": "ada@example.org",
        "template": "welcome",
        "context": {"name": "Ada", "first_login": True},
        "subject": None,
    }
    assert stored.metadata.correlation_id == "flow-1"
    assert stored.metadata.source == "notifications"


def test_correlation_id_is_the_job_id_unless_one_is_given() -> None:
    """As the specification's services do; an explicit job id wins."""
    assert enqueue_email(WELCOME, correlation_id="flow-1").id == "flow-1"
    assert enqueue_email(WELCOME, correlation_id="flow-1", job_id="mail-1").id == "mail-1"


def test_metadata_leaves_the_job_id_free() -> None:
    """Several e-mails of one flow each get an id of their own."""
    metadata = JobMetadata(correlation_id="flow-1", source="tests")

    first, second = (enqueue_email(WELCOME, metadata=metadata) for _ in range(2))

    assert first.id != second.id
    assert first.metadata == second.metadata == metadata


def test_same_id_with_another_email_is_a_conflict() -> None:
    """Nothing is dropped in silence."""
    enqueue_email(WELCOME, job_id="mail-1")

    assert enqueue_email(WELCOME, job_id="mail-1").duplicate
    with pytest.raises(JobIdConflict):
        enqueue_email(RECEIPT, job_id="mail-1")
    assert waiting() == 1


def test_decimal_in_the_context_keeps_its_digits() -> None:
    """Case B39: an amount is carried as a string, with every place."""
    job = enqueue_email(replace(RECEIPT, context={**RECEIPT.context, "amount": Decimal("0.10")}))

    stored = get_queue(job.queue).get_job(job.id)
    assert stored is not None
    assert stored.data["context"]["amount"] == "0.10"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"to": "Ada\r\nBcc: x@evil.example <ada@example.org>"}, "to"),
        ({"to": '"A\nB" <a@b.example>'}, "to"),
        ({"to": "ada@example.org\n"}, "to"),
        ({"to": "a@example.org, b@example.org"}, "to"),
        ({"to": "ada"}, "to"),
        ({"to": ""}, "to"),
        ({"to": "a" * 320 + "@example.org"}, "to"),
        ({"to": 5}, "to"),
        ({"to": None}, "to"),
        ({"subject": "Hi\r\nBcc: x@evil.example"}, "subject"),
        ({"subject": "Hi\u2028there"}, "subject"),
        ({"subject": ""}, "subject"),
        ({"subject": "   "}, "subject"),
        ({"subject": "x" * 999}, "subject"),
        ({"subject": 7}, "subject"),
        ({"template": "invoice"}, "template"),
        ({"template": "../../admin/base"}, "template"),
        ({"template": None}, "template"),
        ({"template": ["welcome"]}, "template"),
        ({"context": {}}, "context.name"),
        ({"context": {"name": ""}}, "context.name"),
        ({"context": None}, "context"),
        ({"context": "Ada"}, "context"),
        ({"context": {"name": "Ada", "score": float("nan")}}, "context.score"),
        ({"context": {"name": "Ada", "tags": {"a"}}}, "context.tags"),
        ({"context": {"name": "Ada", "photo": b"x"}}, "context.photo"),
        ({"context": {"name": "Ada", 1: "x"}}, "context"),
    ],
)
def test_bad_email_is_refused_with_the_field_named(change: dict[str, Any], field: str) -> None:
    """Case B45: a line break in a header is refused, and so is all else that could not be sent; nothing is queued."""
    with pytest.raises(InvalidPayload) as caught:
        enqueue_email(replace(WELCOME, **change))

    assert caught.value.field == field
    assert waiting() == 0


@pytest.mark.parametrize(
    "to",
    [
        "ada@example.org",
        "Ada Lovelace <ada@example.org>",
        '"Lovelace, Ada" <ada@example.org>',
        "Zoë Ångström <zoe@example.org>",
        "ada+receipts@sub.example.org",
        "ada@bücher.example",
    ],
)
def test_good_address_is_taken_as_it_is(to: str) -> None:
    """Recipients are unchanged."""
    assert enqueue_email(replace(WELCOME, to=to)).data.to == to


def test_missing_variables_are_all_named() -> None:
    """The error says everything that the template lacks, and the templates that there are."""
    with pytest.raises(InvalidPayload, match="amount, currency, reference"):
        enqueue_email(replace(RECEIPT, context={"name": "Ada"}))
    with pytest.raises(InvalidPayload, match="receipt, refund, welcome"):
        enqueue_email(replace(RECEIPT, template="invoice"))
