"""The local mail server behaves as a real one does: takes, refuses, defers."""

import smtplib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage

import pytest

from demo.smtp_sink import SmtpSink


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    """Run a sink."""
    with SmtpSink() as sink:
        yield sink


def letter(to: str, subject: str = "Hello") -> EmailMessage:
    """Return a message."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "queues@example.org", to, subject
    message.set_content("Grüße")
    return message


def send(sink: SmtpSink, message: EmailMessage) -> None:
    """Send it over SMTP."""
    with smtplib.SMTP(sink.host, sink.port, timeout=10) as client:
        client.send_message(message)


def test_sink_keeps_what_it_accepts(sink: SmtpSink) -> None:
    """An accepted message is there with its envelope, parsed."""
    send(sink, letter("ada@example.org", "Grüße aus Köln"))

    (received,) = sink.messages
    assert received.sender == "queues@example.org"
    assert received.recipients == ("ada@example.org",)
    assert received.message["Subject"] == "Grüße aus Köln"
    assert received.message.get_content().strip() == "Grüße"


def test_sink_refuses_a_recipient_for_good(sink: SmtpSink) -> None:
    """A refused address gets 550, whatever its case, and nothing is kept."""
    sink.refuse("Nobody@example.org")

    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        send(sink, letter("nobody@example.org"))

    assert caught.value.recipients["nobody@example.org"][0] == 550
    assert sink.messages == ()


def test_sink_refuses_a_sender(sink: SmtpSink) -> None:
    """A refused address may not send either."""
    sink.refuse("queues@example.org")

    with pytest.raises(smtplib.SMTPSenderRefused):
        send(sink, letter("ada@example.org"))

    sink.accept("queues@example.org")
    send(sink, letter("ada@example.org"))
    assert len(sink.messages) == 1


def test_sink_refuses_a_recipient_with_the_reply_it_was_given(sink: SmtpSink) -> None:
    """A recipient can be put off as well as refused."""
    sink.refuse("busy@example.org", "450 4.2.1 Mailbox busy")

    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        send(sink, letter("busy@example.org"))

    assert caught.value.recipients["busy@example.org"][0] == 450


def test_sink_fails_for_now_as_often_as_it_is_told(sink: SmtpSink) -> None:
    """Two messages are answered with 451 and not kept; the third is taken."""
    sink.fail_next(2)

    for _ in range(2):
        with pytest.raises(smtplib.SMTPDataError) as caught:
            send(sink, letter("ada@example.org"))
        assert caught.value.smtp_code == 451
    send(sink, letter("ada@example.org"))

    assert len(sink.messages) == 1


def test_sink_takes_messages_from_many_threads(sink: SmtpSink) -> None:
    """Forty messages from eight threads are all kept."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: send(sink, letter(f"user{number}@example.org")), range(40)))

    assert {received.recipients[0] for received in sink.messages} == {f"user{n}@example.org" for n in range(40)}


def test_stopped_sink_answers_no_more() -> None:
    """After stop the port is closed."""
    sink = SmtpSink().start()
    port = sink.port
    sink.stop()

    with pytest.raises(ConnectionRefusedError):
        smtplib.SMTP("127.0.0.1", port, timeout=5)
