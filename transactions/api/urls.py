"""Where the API of transactions is served, below /api/v1/."""

from django.urls import path

from transactions.api.views import RefundView, SettlementView, TransactionsView, TransactionView, ValidationView

urlpatterns = [
    path("transactions/", TransactionsView.as_view(), name="transactions"),
    path("transactions/settlements/", SettlementView.as_view(), name="transaction-settlements"),
    path("transactions/validations/", ValidationView.as_view(), name="transaction-validations"),
    path("transactions/refunds/", RefundView.as_view(), name="transaction-refunds"),
    path("transactions/<str:tx_id>/", TransactionView.as_view(), name="transaction"),
]
