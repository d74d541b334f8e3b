"""Hands an e-mail to the mail server, and tells what may pass from what never will.

A connection that breaks, and a 4xx answer, are raised as they are: the job is retried. A
5xx answer about this e-mail, and a header that cannot be, are a PermanentError.
"""

import smtplib
from email.utils import parseaddr
from typing import Final

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.utils.crypto import salted_hmac

from notifications.content import Content
from queues import PermanentError

_SMTP_PERMANENT: Final = 500
_FALLBACK_DOMAIN: Final = "localhost"


def message_id_of(idempotency_key: str) -> str:
    """Return the Message-ID of a job's e-mail: the same in every run of the job.

    A mail store that gets the message twice, because the answer to the first was lost, can
    tell that it is one.
    """
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or _FALLBACK_DOMAIN
    return f"<{salted_hmac('notifications.message_id', idempotency_key, algorithm='sha256').hexdigest()[:40]}@{domain}>"


def send(content: Content, *, to: str, message_id: str) -> None:
    """Send one e-mail, as text and HTML; raise PermanentError when no retry can help."""
    message = EmailMultiAlternatives(
        subject=content.subject,
        body=content.text,
        to=[to],
        headers={"Message-ID": message_id, "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(content.html, "text/html")
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as exc:
        code, answer = next(iter(exc.recipients.values()))
        if code >= _SMTP_PERMANENT:
            raise PermanentError(f"The mail server refused the recipient: {code} {_text(answer)}") from exc
        raise
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as exc:
        if exc.smtp_code >= _SMTP_PERMANENT:
            raise PermanentError(f"The mail server refused: {exc.smtp_code} {_text(exc.smtp_error)}") from exc
        raise
    except ValueError as exc:
        # Django and the email package raise it for an address or a header that cannot be written.
        raise PermanentError(f"The e-mail cannot be written: {exc}") from exc


def _text(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
