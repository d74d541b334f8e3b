"""Judge a transaction by named rules and its risk score."""

import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from transactions.conf import policy
from transactions.errors import NotThereYet
from transactions.models import RISK_PLACES, Transaction
from transactions.payloads import ValidationPayload
from transactions.rules import Subject, apply_rule
from transactions.services.rows import Cause, lock, move
from transactions.states import TransactionState

logger = logging.getLogger(__name__)

RISK: Final = "risk_score"
_STEP: Final = Decimal(1).scaleb(-RISK_PLACES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a validation came to: the state, and the rules that found something wrong."""

    tx_id: str
    state: str
    failed: tuple[str, ...]
    duplicate: bool

    def result(self) -> dict[str, Any]:
        """Return it as a job's result."""
        return {"tx_id": self.tx_id, "state": self.state, "failed": list(self.failed), "duplicate": self.duplicate}


def transaction_validate(*, data: ValidationPayload, correlation_id: str = "", job_id: str = "") -> Decision:
    """Decide validated or declined, and keep the findings with the transaction.

    The same rules and score again change nothing. Raises NotThereYet for an unknown
    transaction and PermanentError for one that is past validation. The score is kept to six
    places; the decision is made on all its digits.
    """
    with transaction.atomic():
        tx = lock(data.tx_id)
        if tx is None:
            raise NotThereYet(f"The transaction {data.tx_id} is not known (yet).")
        duplicate = _is_decided(tx, data)
        if not duplicate:
            _decide(tx, data, Cause(correlation_id=correlation_id, job_id=job_id))
    failed = tuple(finding["rule"] for finding in tx.findings if not finding["passed"])
    logger.info("transaction %s", tx.state, extra={"tx_id": tx.tx_id, "failed": failed, "duplicate": duplicate})
    return Decision(tx_id=tx.tx_id, state=str(tx.state), failed=failed, duplicate=duplicate)


def _is_decided(tx: Transaction, data: ValidationPayload) -> bool:
    """Say whether this is the validation that the transaction has had."""
    rules = [finding["rule"] for finding in tx.findings]
    return (
        tx.validated_at is not None
        and tx.risk_score == data.risk_score.quantize(_STEP)
        and rules == [RISK, *data.rules]
    )


def _decide(tx: Transaction, data: ValidationPayload, cause: Cause) -> None:
    limits = policy()
    subject = Subject(amount_minor=tx.amount_minor, currency=tx.currency, risk_score=data.risk_score, policy=limits)
    risk = "" if data.risk_score < limits.risk_limit else f"the risk score is {limits.risk_limit} or more"
    findings = [(RISK, risk), *((name, apply_rule(name, subject)) for name in data.rules)]
    tx.findings = [{"rule": name, "passed": not reason, "reason": reason} for name, reason in findings]
    tx.risk_score = data.risk_score.quantize(_STEP)
    tx.validated_at = timezone.now()
    passed = not any(reason for _, reason in findings)
    move(tx, TransactionState.VALIDATED if passed else TransactionState.DECLINED, cause)
