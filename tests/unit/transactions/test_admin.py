"""Transactions and the ledger in the admin: found and read by staff with the right, changed by nobody."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.unit.transactions.build import refund, settlement
from transactions.models import LedgerEntry, Transaction
from transactions.services import transaction_refund, transaction_settle

pytestmark = pytest.mark.django_db

TRANSACTIONS = "/admin/transactions/transaction/"
LEDGER = "/admin/transactions/ledgerentry/"


def staff(*permissions: str) -> Client:
    """Return a client that is logged in as staff with these rights."""
    user = User.objects.create_user("-".join(permissions) or "nobody", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def viewer() -> Client:
    """Return staff that may view both."""
    return staff("view_transaction", "view_ledgerentry")


@pytest.fixture(autouse=True)
def _rows() -> None:
    transaction_settle(data=settlement(), correlation_id="flow-1", job_id="job-1")
    transaction_settle(data=settlement(tx_id="tx-yen", currency="JPY", amount=Decimal(777), merchant_id="other"))
    transaction_refund(data=refund(reason="<script>alert(1)</script>"))


def test_lists_show_amounts_in_their_currencys_places(viewer: Client) -> None:
    """Each list shows what a person would write, signs included."""
    page = viewer.get(TRANSACTIONS).content.decode()
    assert all(text in page for text in ("tx-123", "100.00", "40.00", "tx-yen", "777", "Partially Refunded"))
    page = viewer.get(LEDGER).content.decode()
    assert all(text in page for text in ("capture~tx-123", "-40.00", "merchant:other"))


@pytest.mark.parametrize("query", ["q=tx-12", "q=merchant-456", "q=flow-1", "state=settled&currency=JPY"])
def test_transactions_are_found(viewer: Client, query: str) -> None:
    """By the beginning of the id, by merchant, by flow, and by state and currency."""
    if query == "q=flow-1":
        Transaction.objects.filter(tx_id="tx-123").update(correlation_id="flow-1")
    page = viewer.get(f"{TRANSACTIONS}?{query}").content.decode()
    assert ("tx-123</a>" in page) != ("tx-yen</a>" in page)


def test_ledger_is_found_by_its_job(viewer: Client) -> None:
    """An operator comes from a job to what it did."""
    page = viewer.get(f"{LEDGER}?q=job-1").content.decode()
    assert "capture~tx-123" in page
    assert "capture~tx-yen" not in page


@pytest.mark.parametrize("query", ["p=abc", "p=99", "state=nonsense", "q=%00", "o=99", "created_at__gte=x"])
def test_odd_query_is_no_server_error(viewer: Client, query: str) -> None:
    """What a URL may hold by accident is answered or sent back to the list."""
    assert viewer.get(f"{TRANSACTIONS}?{query}").status_code in {200, 302, 400}


def test_pages_show_a_row_with_its_effects_and_escape_what_came_from_outside(viewer: Client) -> None:
    """Case B59: a refund's reason is text on the page, never markup."""
    for row, base in ((Transaction.objects.get(tx_id="tx-123"), TRANSACTIONS), (LedgerEntry.objects.first(), LEDGER)):
        assert row is not None
        page = viewer.get(f"{base}{row.pk}/change/").content.decode()
        assert "&lt;script&gt;" in page
        assert "<script>alert(1)" not in page
        assert "-40.00" in page
        assert 'name="_save"' not in page


def test_nobody_adds_changes_or_deletes() -> None:
    """Not even with every right: only services write these tables."""
    client = staff(
        *[f"{verb}_{model}" for verb in ("add", "change", "delete", "view") for model in ("transaction", "ledgerentry")]
    )
    before = list(Transaction.objects.values()), list(LedgerEntry.objects.values())
    for base, row in ((TRANSACTIONS, Transaction.objects.first()), (LEDGER, LedgerEntry.objects.first())):
        assert row is not None
        for path in ("add/", f"{row.pk}/change/", f"{row.pk}/delete/"):
            assert client.post(base + path, {"state": "refunded", "amount_minor": 1, "post": "yes"}).status_code == 403
        client.post(base, {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
    assert (list(Transaction.objects.values()), list(LedgerEntry.objects.values())) == before


@pytest.mark.parametrize("base", [TRANSACTIONS, LEDGER])
def test_staff_without_the_right_see_nothing(base: str) -> None:
    """Being staff is not enough."""
    assert staff().get(base).status_code == 403


def test_ledger_entries_are_shown_only_to_those_who_may_view_them() -> None:
    """The effects on a transaction's page need their own right."""
    row = Transaction.objects.get(tx_id="tx-123")
    page = staff("view_transaction").get(f"{TRANSACTIONS}{row.pk}/change/").content.decode()
    assert "tx-123" in page
    assert "capture~tx-123" not in page


def test_list_costs_as_many_queries_for_many_rows_as_for_few(viewer: Client) -> None:
    """Case B48: the page does not ask once for each row."""

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert viewer.get(LEDGER).status_code == 200
        return len(captured)

    few = queries()
    for number in range(30):
        transaction_settle(data=settlement(tx_id=f"tx-{number}"))
    assert queries() == few
