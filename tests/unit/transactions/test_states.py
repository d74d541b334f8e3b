"""The table of transitions is the only way to move."""

import itertools

import pytest

from transactions.states import TRANSITIONS, TransactionState, may_move

ALLOWED = {
    ("created", "validated"),
    ("created", "declined"),
    ("created", "settled"),
    ("validated", "validated"),
    ("validated", "declined"),
    ("validated", "settled"),
    ("settled", "partially_refunded"),
    ("settled", "refunded"),
    ("partially_refunded", "partially_refunded"),
    ("partially_refunded", "refunded"),
}


@pytest.mark.parametrize(("old", "new"), [*itertools.product(TransactionState.values, repeat=2)])
def test_only_the_listed_moves_are_allowed(old: str, new: str) -> None:
    """Every pair of states is judged; a declined or refunded transaction goes nowhere."""
    assert may_move(old, new) == ((old, new) in ALLOWED)


def test_every_state_has_its_moves() -> None:
    """A state that is added without its moves is noticed."""
    assert set(TRANSITIONS) == set(TransactionState)


def test_unknown_state_is_an_error() -> None:
    """A state that is none is not taken for one that may not move."""
    with pytest.raises(ValueError, match="paid"):
        may_move("paid", "settled")
