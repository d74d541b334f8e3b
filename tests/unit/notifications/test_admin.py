"""E-mails in the admin."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from notifications.models import EmailDelivery

pytestmark = pytest.mark.django_db

LIST = "/admin/notifications/emaildelivery/"


@pytest.fixture
def delivery() -> EmailDelivery:
    """Return an e-mail that failed, with script in what it says."""
    return EmailDelivery.objects.create(
        job_id="mail-1",
        correlation_id="flow-1",
        to="ada@example.org",
        template="welcome",
        subject="<script>alert(1)</script>",
        state=EmailDelivery.State.FAILED,
        error="550 <b>no</b>",
        message_id="<x@y>",
        fingerprint="0",
    )


def login(*permissions: str, superuser: bool = False) -> Client:
    """Return a client that is logged in to the admin."""
    user = User.objects.create_user("ada", is_staff=True, is_superuser=superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def test_emails_are_listed_and_found(delivery: EmailDelivery) -> None:
    """Case B59: a page shows the e-mail and its error, escaped; search finds it by its flow."""
    client = login("view_emaildelivery")

    page = client.get(LIST, {"q": "flow-1"})
    assert page.status_code == 200
    assert "ada@example.org" in page.text
    detail = client.get(f"{LIST}{delivery.pk}/change/")
    assert "550 &lt;b&gt;no&lt;/b&gt;" in detail.text
    for shown in (page.text, detail.text):
        assert "<script>alert(1)" not in shown
    assert "ada@example.org" not in client.get(LIST, {"q": "flow-2"}).text


def test_nobody_adds_changes_or_deletes_emails(delivery: EmailDelivery) -> None:
    """Not even a superuser: the rows say what happened, and guard against a second send."""
    client = login(superuser=True)

    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(f"{LIST}{delivery.pk}/change/", {"to": "bob@example.org"}).status_code == 403
    assert client.post(f"{LIST}{delivery.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(LIST, {"action": "delete_selected", "_selected_action": delivery.pk, "post": "yes"})
    assert EmailDelivery.objects.get().to == "ada@example.org"


def test_staff_without_the_right_see_no_emails(delivery: EmailDelivery) -> None:
    """Being staff is not enough."""
    assert login().get(LIST).status_code == 403
