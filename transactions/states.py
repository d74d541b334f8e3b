"""The states of a transaction and the only moves between them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from django.db.models import TextChoices


class TransactionState(TextChoices):
    """Where a transaction stands."""

    CREATED = "created"
    VALIDATED = "validated"
    DECLINED = "declined"
    SETTLED = "settled"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"


# A state that maps to itself may be entered again: another validation, another part of a refund.
TRANSITIONS: Final[Mapping[TransactionState, frozenset[TransactionState]]] = MappingProxyType(
    {
        TransactionState.CREATED: frozenset(
            {TransactionState.VALIDATED, TransactionState.DECLINED, TransactionState.SETTLED}
        ),
        TransactionState.VALIDATED: frozenset(
            {TransactionState.VALIDATED, TransactionState.DECLINED, TransactionState.SETTLED}
        ),
        TransactionState.DECLINED: frozenset(),
        TransactionState.SETTLED: frozenset({TransactionState.PARTIALLY_REFUNDED, TransactionState.REFUNDED}),
        TransactionState.PARTIALLY_REFUNDED: frozenset(
            {TransactionState.PARTIALLY_REFUNDED, TransactionState.REFUNDED}
        ),
        TransactionState.REFUNDED: frozenset(),
    }
)


def may_move(old: str, new: str) -> bool:
    """Say whether a transaction may go from one state to the other."""
    return TransactionState(new) in TRANSITIONS[TransactionState(old)]
