"""The processors of this domain: each hands its payload to the service of the same name."""

from typing import Any

from queues import RunningJob, processor
from transactions.payloads import RefundPayload, SettlementPayload, ValidationPayload
from transactions.services import transaction_refund, transaction_settle, transaction_validate
from transactions.services.enqueue import REFUND, SETTLEMENT, VALIDATION


@processor(SETTLEMENT, once=True)
def settle(data: SettlementPayload, job: RunningJob) -> dict[str, Any]:
    """Capture the transaction's amount, once."""
    return transaction_settle(data=data, correlation_id=job.metadata.correlation_id, job_id=job.id).result()


@processor(VALIDATION, once=True)
def validate(data: ValidationPayload, job: RunningJob) -> dict[str, Any]:
    """Decide whether the transaction is validated or declined."""
    return transaction_validate(data=data, correlation_id=job.metadata.correlation_id, job_id=job.id).result()


@processor(REFUND, once=True)
def refund(data: RefundPayload, job: RunningJob) -> dict[str, Any]:
    """Give back a part or the whole of what was captured."""
    return transaction_refund(data=data, correlation_id=job.metadata.correlation_id, job_id=job.id).result()
