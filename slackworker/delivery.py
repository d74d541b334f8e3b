"""Posts to Slack, and tells what may pass from what never will.

The SDK's own retries are off: it would sleep in the worker. A 429 puts the job off for as
long as Slack says (Case B15), a permanent error ends it, everything else is retried.
The token is in no message and no log line.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from queues import PermanentError, RetryLater
from slackworker.formatters import Message
from slackworker.reasons import PERMANENT

TIMEOUT_SECONDS: Final = 10
LONGEST_RETRY_AFTER: Final = 86_400
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
_TOKEN: Final = re.compile(r"[\x21-\x7e]*")


class SlackUnavailable(Exception):
    """Slack could not take the message now; it may later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """Where a message went: the channel's id, and the message's own."""

    channel: str
    ts: str


def post(message: Message) -> Posted:
    """Post one message; return where it went.

    Raises RetryLater when Slack says when to try again, PermanentError with Slack's reason
    when no retry can help, and SlackUnavailable or the connection's own error otherwise.
    """
    call: dict[str, Any] = {"channel": message.channel, "text": message.text, "thread_ts": message.thread_ts}
    try:
        response = _client().chat_postMessage(**call, blocks=list(message.blocks) or None)
    except SlackApiError as exc:
        raise _fault(exc) from exc
    return Posted(channel=str(response.get("channel") or message.channel), ts=str(response.get("ts") or ""))


def _client() -> WebClient:
    if not _TOKEN.fullmatch(settings.SLACK_TOKEN):
        # The HTTP client would refuse it as well, and print it.
        raise PermanentError("SLACK_TOKEN holds a character that no token has.")
    client = WebClient(
        token=settings.SLACK_TOKEN, base_url=settings.SLACK_API_URL, timeout=TIMEOUT_SECONDS, retry_handlers=[]
    )
    # The SDK takes a proxy from the environment and ignores NO_PROXY; urllib heeds both.
    client.proxy = None
    return client


def _fault(exc: SlackApiError) -> Exception:
    """Return what an answer other than yes means for the job."""
    status, answer = exc.response.status_code, exc.response.data
    error = str(answer.get("error", "")) if isinstance(answer, dict) else ""
    if status == _TOO_MANY or error in {"ratelimited", "rate_limited"}:
        seconds = _retry_after(exc.response.headers)
        return RetryLater(timedelta(seconds=seconds), "ratelimited") if seconds else SlackUnavailable("ratelimited")
    if status >= _SERVER_ERROR:
        return SlackUnavailable(f"Slack answered {status}.")
    if error in PERMANENT:
        return PermanentError(": ".join([error, *_details(answer)]))
    return SlackUnavailable(f"Slack answered {status}: {error:.200}")


def _retry_after(headers: dict[str, str]) -> int | None:
    """Return the seconds of the Retry-After header, at least 1; None when it does not say."""
    value = {name.lower(): value for name, value in headers.items()}.get("retry-after", "").strip()
    if not re.fullmatch("[0-9]{1,9}", value):
        return None
    return min(max(int(value), 1), LONGEST_RETRY_AFTER)


def _details(answer: dict[str, Any]) -> list[str]:
    metadata = answer.get("response_metadata")
    messages = metadata.get("messages") if isinstance(metadata, dict) else None
    return [str(message) for message in messages] if isinstance(messages, list) else []
