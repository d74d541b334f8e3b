"""E-mails from the service to a real mail server, and what each answer of it does to the job."""

import smtplib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pytest_django import Settings

from demo.smtp_sink import Received, SmtpSink
from notifications.models import EmailDelivery
from notifications.payloads import EmailPayload
from notifications.services import enqueue_email
from queues import JobMetadata, PermanentError, RunningJob, get_queue
from queues.codec import decode, decode_metadata
from queues.processors import find_processor

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_queues")]

RECEIPT = EmailPayload(
    to="Zoë Lovelace <ada@example.org>",
    template="receipt",
    context={"name": "Zoë", "amount": "19.99", "currency": "EUR", "reference": "tx-1"},
)


@pytest.fixture
def sink(settings: Settings) -> Iterator[SmtpSink]:
    """Run a mail server, which Django sends to."""
    with SmtpSink() as sink:
        use(sink.port, settings)
        yield sink


def use(port: int, settings: Settings) -> None:
    """Let Django send to a port of this machine."""
    settings.DEFAULT_FROM_EMAIL = "Queues <queues@shop.example>"
    settings.MAILERS = {
        "default": {
            "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "OPTIONS": {"host": "127.0.0.1", "port": port, "timeout": 10},
        }
    }


def run_next(attempt: int = 1) -> Any:
    """Take the next job from the queue and run its processor; put the job back if that raises."""
    (delivery,) = get_queue("notification-email").consumer("tests").reserve(1)
    processor, metadata = find_processor(delivery.name), decode_metadata(delivery.body)
    assert metadata is not None
    try:
        return processor.function(
            decode(delivery.body, processor.payload_type),
            RunningJob(
                id=delivery.id,
                queue="notification-email",
                name=delivery.name,
                attempt=attempt,
                attempts=delivery.attempts,
                metadata=metadata,
                report=lambda _: None,
            ),
        )
    finally:
        delivery.release()


def only(sink: SmtpSink) -> Received:
    """Return the one message that arrived."""
    (received,) = sink.messages
    return received


def row(job_id: str) -> EmailDelivery:
    """Return the job's row."""
    return EmailDelivery.objects.get(job_id=job_id)


def test_email_arrives_as_text_and_html_and_is_recorded(sink: SmtpSink) -> None:
    """One message to one recipient, with the job's Message-ID, and a row that says so."""
    job = enqueue_email(RECEIPT, job_id="mail-1", metadata=JobMetadata(correlation_id="flow-1"))

    result = run_next()

    received = only(sink)
    message = received.message
    assert received.recipients == ("ada@example.org",)
    assert received.sender == "queues@shop.example"
    assert message["To"] == "Zoë Lovelace <ada@example.org>"
    assert message["Subject"] == "Receipt for 19.99 EUR (tx-1)"
    assert message["Auto-Submitted"] == "auto-generated"
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "19.99 EUR" in text.get_content()
    assert "<strong>19.99 EUR</strong>" in html.get_content()
    record = row(job.id)
    assert result == {"message_id": record.message_id}
    assert message["Message-ID"] == record.message_id
    assert record.message_id.endswith("@shop.example>")
    assert (record.state, record.correlation_id, record.to) == ("sent", "flow-1", RECEIPT.to)
    assert (record.subject, record.error) == ("Receipt for 19.99 EUR (tx-1)", "")
    assert record.sent_at is not None


def test_redelivered_job_sends_nothing_more(sink: SmtpSink) -> None:
    """A second run of a job whose e-mail was sent finds its row, and answers as the first did."""
    enqueue_email(RECEIPT)

    assert run_next() == run_next(attempt=2)

    assert len(sink.messages) == 1
    assert EmailDelivery.objects.count() == 1


def test_run_after_a_crash_before_the_record_sends_the_same_message_id(sink: SmtpSink) -> None:
    """The e-mail is out and the record of it is not: the next run's e-mail can be told to be the same one."""
    job = enqueue_email(RECEIPT)
    run_next()
    EmailDelivery.objects.filter(job_id=job.id).update(state=EmailDelivery.State.PENDING, sent_at=None)

    run_next(attempt=2)

    first, second = sink.messages
    assert first.message["Message-ID"] == second.message["Message-ID"]


def test_long_unicode_subject_arrives_unchanged(sink: SmtpSink) -> None:
    """Case B45: five hundred characters of any script are folded on the way and whole at the end."""
    subject = ("Grüße aus Köln 🎉 " * 40)[:500].strip()
    enqueue_email(replace(RECEIPT, subject=subject))

    run_next()

    assert only(sink).message["Subject"] == subject


def test_line_break_in_data_adds_no_recipient(sink: SmtpSink) -> None:
    """Case B45: what looks like a header in a name stays a part of the subject."""
    enqueue_email(EmailPayload(to="ada@example.org", template="welcome", context={"name": "A\r\nBcc: x@evil.example"}))

    run_next()

    received = only(sink)
    assert received.recipients == ("ada@example.org",)
    assert received.message["Bcc"] is None
    assert received.message["Subject"] == "Welcome, A Bcc: x@evil.example"


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "Hi\r\nBcc: x@evil.example"},
        {"to": '"A\nB" <a@b.example>'},
        {"template": "invoice"},
        {"context": {"name": "Ada"}},
    ],
)
def test_email_that_another_producer_wrote_wrongly_fails_for_good(sink: SmtpSink, change: dict[str, Any]) -> None:
    """Case B45: a job that no service checked ends at its first run, and the next e-mail goes out."""
    get_queue("notification-email").add("notification.email.send.v1", replace(RECEIPT, **change))
    with pytest.raises(PermanentError):
        run_next()
    get_queue("notification-email").drain()

    enqueue_email(RECEIPT)
    run_next()

    assert only(sink).recipients == ("ada@example.org",)


def test_refused_recipient_fails_for_good(sink: SmtpSink) -> None:
    """A 550 is final, and its reason is kept."""
    sink.refuse("ada@example.org")
    job = enqueue_email(RECEIPT)

    with pytest.raises(PermanentError, match=r"refused the recipient: 550 5\.1\.1 No such user"):
        run_next()

    assert row(job.id).state == "failed"
    assert "No such user" in row(job.id).error


def test_recipient_that_is_put_off_is_tried_again(sink: SmtpSink) -> None:
    """A 450 is no end: the job raises, and a later run sends."""
    sink.refuse("ada@example.org", "450 4.2.1 Mailbox busy")
    job = enqueue_email(RECEIPT)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        run_next()
    assert (row(job.id).state, row(job.id).sent_at) == ("pending", None)
    assert "Mailbox busy" in row(job.id).error

    sink.accept("ada@example.org")
    run_next(attempt=2)

    assert row(job.id).state == "sent"
    assert row(job.id).error == ""
    assert len(sink.messages) == 1


def test_server_that_fails_for_now_is_tried_again_until_the_last_attempt(sink: SmtpSink) -> None:
    """A 451 leaves the row pending, and failed when no attempt is left."""
    sink.fail_next(2)
    job = enqueue_email(RECEIPT)

    with pytest.raises(smtplib.SMTPDataError):
        run_next(attempt=2)
    assert row(job.id).state == "pending"
    with pytest.raises(smtplib.SMTPDataError):
        run_next(attempt=3)
    assert row(job.id).state == "failed"


def test_server_that_refuses_the_message_ends_the_job(sink: SmtpSink) -> None:
    """A 554 after the data is final."""
    sink.fail_next(reply="554 5.7.1 Looks like spam")
    job = enqueue_email(RECEIPT)

    with pytest.raises(PermanentError, match="Looks like spam"):
        run_next()

    assert row(job.id).state == "failed"


def test_refused_sender_ends_the_job(sink: SmtpSink) -> None:
    """A 550 to the sender is final; a 451 to it is not."""
    enqueue_email(RECEIPT)
    sink.refuse("queues@shop.example", "451 4.7.1 Greylisted")
    with pytest.raises(smtplib.SMTPSenderRefused):
        run_next()

    sink.refuse("queues@shop.example", "550 5.7.1 Not yours to send from")
    with pytest.raises(PermanentError, match="Not yours to send from"):
        run_next(attempt=2)


def test_international_domain_arrives_in_its_wire_form(sink: SmtpSink) -> None:
    """An address in a domain of other letters goes out with the domain's ASCII form."""
    enqueue_email(replace(RECEIPT, to="ada@bücher.example"))

    run_next()

    assert only(sink).recipients == ("ada@xn--bcher-kva.example",)


def test_server_that_does_not_answer_is_tried_again(settings: Settings) -> None:
    """A closed port is a fault that may pass."""
    sink = SmtpSink().start()
    use(sink.port, settings)
    sink.stop()
    job = enqueue_email(RECEIPT)

    with pytest.raises(ConnectionRefusedError):
        run_next()

    assert row(job.id).state == "pending"


def test_job_id_that_was_used_for_another_email_fails_loudly(sink: SmtpSink) -> None:
    """The queue has forgotten the first job; the second is not dropped as if it were the first."""
    enqueue_email(RECEIPT, job_id="mail-1")
    run_next()
    get_queue("notification-email").drain()
    enqueue_email(replace(RECEIPT, subject="Another"), job_id="mail-1")

    with pytest.raises(PermanentError, match="used for another e-mail"):
        run_next()

    assert len(sink.messages) == 1
    assert row("mail-1").state == "sent"
