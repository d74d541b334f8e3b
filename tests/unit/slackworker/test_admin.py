"""Slack messages in the admin."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from slackworker.models import SlackDelivery

pytestmark = pytest.mark.django_db

LIST = "/admin/slackworker/slackdelivery/"


@pytest.fixture
def delivery() -> SlackDelivery:
    """Return a message that failed, with script in what it says."""
    return SlackDelivery.objects.create(
        queue="slack-messages",
        job_id="message-1",
        correlation_id="flow-1",
        channel="#payments",
        text="<script>alert(1)</script>",
        state=SlackDelivery.State.FAILED,
        error="is_archived <b>",
        fingerprint="0",
    )


def login(*permissions: str, superuser: bool = False) -> Client:
    """Return a client that is logged in to the admin."""
    user = User.objects.create_user("ada", is_staff=True, is_superuser=superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def test_messages_are_listed_and_found(delivery: SlackDelivery) -> None:
    """Case B59: a page shows the message and its error, escaped; search finds it by its flow."""
    client = login("view_slackdelivery")

    page = client.get(LIST, {"q": "flow-1"})
    assert page.status_code == 200
    assert "#payments" in page.text
    detail = client.get(f"{LIST}{delivery.pk}/change/")
    assert "is_archived &lt;b&gt;" in detail.text
    assert "<script>alert(1)" not in detail.text
    assert "#payments" not in client.get(LIST, {"q": "flow-2"}).text


def test_nobody_adds_changes_or_deletes_messages(delivery: SlackDelivery) -> None:
    """Not even a superuser: the rows say what happened, and guard against a second post."""
    client = login(superuser=True)

    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(f"{LIST}{delivery.pk}/change/", {"channel": "#general"}).status_code == 403
    assert client.post(f"{LIST}{delivery.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(LIST, {"action": "delete_selected", "_selected_action": delivery.pk, "post": "yes"})
    assert SlackDelivery.objects.get().channel == "#payments"


def test_staff_without_the_right_see_no_messages(delivery: SlackDelivery) -> None:
    """Being staff is not enough."""
    assert login().get(LIST).status_code == 403
