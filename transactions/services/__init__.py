"""The rules of transactions: enqueue a command, or carry one out.

`enqueue_*` add jobs, `transaction_*` change the database; both are safe to call twice.
"""

from transactions.services.create import transaction_create
from transactions.services.enqueue import enqueue_refund, enqueue_settlement, enqueue_validation
from transactions.services.refund import transaction_refund
from transactions.services.rows import Effect
from transactions.services.settle import transaction_settle
from transactions.services.validate import Decision, transaction_validate

__all__ = [
    "Decision",
    "Effect",
    "enqueue_refund",
    "enqueue_settlement",
    "enqueue_validation",
    "transaction_create",
    "transaction_refund",
    "transaction_settle",
    "transaction_validate",
]
