"""The local Slack refuses what Slack refuses, and keeps the rest."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from demo.slack_endpoint import SlackEndpoint

type Blocks = list[dict[str, Any]]


@pytest.fixture
def slack() -> Iterator[SlackEndpoint]:
    """Run an endpoint."""
    with SlackEndpoint(channels=("general", "alerts")) as slack:
        yield slack


@pytest.fixture
def client(slack: SlackEndpoint) -> WebClient:
    """Slack's own client, with the valid token."""
    return WebClient(token=slack.token, base_url=slack.url, retry_handlers=[])


def error_of(client: WebClient, **call: Any) -> str:
    """Return the error that a call gets."""
    with pytest.raises(SlackApiError) as caught:
        client.chat_postMessage(**{"channel": "general", "text": "Hello", **call})
    return str(caught.value.response["error"])


def section(text: str) -> dict[str, Any]:
    """Return a section block."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


@pytest.mark.parametrize("channel", ["general", "#general", "C0000000001"])
def test_endpoint_takes_a_message_to_a_channel_by_name_or_id(
    slack: SlackEndpoint, client: WebClient, channel: str
) -> None:
    """The answer has the channel's id and the message's ts, and the message is kept."""
    answer = client.chat_postMessage(channel=channel, text="Hello", thread_ts="1712345678.000100")

    (posted,) = slack.messages
    assert answer["channel"] == posted.channel_id == "C0000000001"
    assert answer["ts"] == posted.ts
    assert (posted.channel, posted.text, posted.thread_ts) == ("general", "Hello", "1712345678.000100")


def test_endpoint_gives_every_message_a_ts_of_its_own(slack: SlackEndpoint, client: WebClient) -> None:
    """Forty messages from eight threads are all kept, each with its own ts."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: client.chat_postMessage(channel="general", text=str(n)), range(40)))

    assert len({answer["ts"] for answer in answers}) == 40
    assert {posted.text for posted in slack.messages} == {str(n) for n in range(40)}


@pytest.mark.parametrize(("token", "error"), [("", "not_authed"), ("xoxb-another", "invalid_auth")])
def test_endpoint_refuses_a_missing_and_a_wrong_token(slack: SlackEndpoint, token: str, error: str) -> None:
    """Without a token not_authed, with another invalid_auth."""
    assert error_of(WebClient(token=token, base_url=slack.url, retry_handlers=[])) == error
    assert slack.messages == ()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ({"channel": "nowhere"}, "channel_not_found"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"blocks": [section("x" * 3_001)]}, "invalid_blocks"),
        ({"blocks": [section("")]}, "invalid_blocks"),
        ({"blocks": [{"type": "section"}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "text": "plain"}]}, "invalid_blocks"),
        ({"blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"blocks": [{"type": "marquee", "text": "x"}]}, "invalid_blocks"),
        ({"blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]}, "invalid_blocks"),
        ({"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]}, "invalid_blocks"),
        ({"blocks": [{"type": "context", "elements": []}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 11}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2_001}]}]}, "invalid_blocks"),
        ({"blocks": [section("x" * 3_000)] * 5}, "msg_blocks_too_long"),
    ],
)
def test_endpoint_refuses_what_slack_refuses(
    slack: SlackEndpoint, client: WebClient, call: dict[str, Any], error: str
) -> None:
    """Case B42: unknown channels, empty and too long text, and blocks beyond the limits are refused."""
    assert error_of(client, **call) == error
    assert slack.messages == ()


@pytest.mark.parametrize(
    "blocks",
    [
        [section("x" * 3_000)] * 4,
        [{"type": "divider"}] * 50,
        [{"type": "header", "text": {"type": "plain_text", "text": "x" * 150}}],
        [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 10}],
        [{"type": "context", "elements": [{"type": "plain_text", "text": "x"}] * 10}],
    ],
)
def test_endpoint_takes_what_is_just_within_the_limits(slack: SlackEndpoint, client: WebClient, blocks: Blocks) -> None:
    """Case B42: the limits themselves are allowed."""
    client.chat_postMessage(channel="general", text="Hello", blocks=blocks)

    assert slack.messages[0].blocks == tuple(blocks)


def test_refused_blocks_say_where_they_are_wrong(client: WebClient) -> None:
    """Slack points at the wrong place, and so does the endpoint."""
    with pytest.raises(SlackApiError) as caught:
        client.chat_postMessage(channel="general", text="x", blocks=[section("ok"), section("")])

    (message,) = caught.value.response["response_metadata"]["messages"]
    assert "/blocks/1/text" in message


def test_endpoint_limits_the_rate_of_one_channel_as_often_as_it_is_told(
    slack: SlackEndpoint, client: WebClient
) -> None:
    """Case B15: one 429 with Retry-After and no body; another channel and the next call are free."""
    slack.limit_rate(calls=1, retry_after="30", channel="general")

    client.chat_postMessage(channel="alerts", text="free")
    with pytest.raises(SlackApiError) as caught:
        client.chat_postMessage(channel="general", text="limited")
    client.chat_postMessage(channel="general", text="free again")

    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "30"
    assert [posted.text for posted in slack.messages] == ["free", "free again"]
    assert slack.calls == 3


def test_endpoint_fails_as_often_as_it_is_told(slack: SlackEndpoint, client: WebClient) -> None:
    """Two calls get 503, the third is taken."""
    slack.fail(calls=2, status=503)

    for _ in range(2):
        with pytest.raises(SlackApiError) as caught:
            client.chat_postMessage(channel="general", text="x")
        assert caught.value.response.status_code == 503
    client.chat_postMessage(channel="general", text="x")

    assert len(slack.messages) == 1


def test_endpoint_loses_a_reply_to_a_message_that_it_took(slack: SlackEndpoint, client: WebClient) -> None:
    """The message is there, and its sender cannot know."""
    slack.lose_replies()

    with pytest.raises(ConnectionError):
        client.chat_postMessage(channel="general", text="x")
    client.chat_postMessage(channel="general", text="y")

    assert [posted.text for posted in slack.messages] == ["x", "y"]


def test_endpoint_refuses_a_channel_with_the_error_it_is_told(slack: SlackEndpoint, client: WebClient) -> None:
    """An archived channel stays archived; others are open."""
    slack.refuse("general", "is_archived")

    assert error_of(client) == "is_archived"
    assert error_of(client) == "is_archived"
    client.chat_postMessage(channel="alerts", text="x")


def call_raw(slack: SlackEndpoint, path: str, body: bytes, content_type: str) -> dict[str, Any]:
    """Return the answer to a request that no client library makes."""
    headers = {"Authorization": f"Bearer {slack.token}", "Content-Type": content_type}
    request = urllib.request.Request(slack.url + path, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def test_endpoint_refuses_a_message_without_text(slack: SlackEndpoint) -> None:
    """Case B42: neither text nor blocks is no_text, blanks included."""
    for body in (b'{"channel":"general"}', b'{"channel":"general","text":" "}'):
        assert call_raw(slack, "chat.postMessage", body, "application/json")["error"] == "no_text"
    assert slack.messages == ()


def test_endpoint_refuses_other_methods_and_bodies_that_are_no_json(slack: SlackEndpoint) -> None:
    """Slack answers these with 200 and an error."""
    json_type = "application/json"

    assert call_raw(slack, "chat.delete", b"{}", json_type)["error"] == "unknown_method"
    assert call_raw(slack, "chat.postMessage", b"{", json_type)["error"] == "invalid_json"
    assert call_raw(slack, "chat.postMessage", b"[]", json_type)["error"] == "invalid_json"


def test_endpoint_reads_forms_with_blocks_as_json(slack: SlackEndpoint) -> None:
    """A form is as good as JSON; blocks in it that cannot be read are refused."""
    form = "application/x-www-form-urlencoded"
    blocks = urllib.request.quote(json.dumps([{"type": "divider"}]))

    assert call_raw(slack, "chat.postMessage", f"channel=general&blocks={blocks}".encode(), form)["ok"]
    bad = call_raw(slack, "chat.postMessage", b"channel=general&blocks=%5B", form)
    assert bad["error"] == "invalid_blocks_format"


def test_stopped_endpoint_answers_no_more() -> None:
    """After stop the port is closed."""
    slack = SlackEndpoint().start()
    slack.stop()

    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(slack.url, timeout=5)
