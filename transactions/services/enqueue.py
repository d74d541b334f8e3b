"""Add this domain's jobs to the transaction-processing queue.

Each service takes a payload, which is valid or could not exist, and returns the job. Its id
is `job_id`, else `correlation_id`, else one made from the transaction. A correlation id that
is given is the metadata's too.

The same command again, while its job is known, returns that job as a duplicate and runs
nothing more. JobIdConflict says that the id stands for another command: the caller used one
correlation id or job id for two commands (a settlement and its refund need two job ids), or
asked with other data for what was asked before; nothing was added.
"""

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Final

from queues import (
    Backoff,
    InvalidPayload,
    JobMetadata,
    JobOptions,
    Priority,
    QueueJob,
    QueueName,
    get_queue,
    new_metadata,
)
from transactions.identifiers import join_ids
from transactions.payloads import RefundPayload, SettlementPayload, ValidationPayload

SETTLEMENT: Final = "transaction.settlement.v1"
VALIDATION: Final = "transaction.validation.v1"
REFUND: Final = "transaction.refund.v1"
SETTLEMENT_BACKOFF: Final = Backoff(kind="exponential", base=timedelta(seconds=5))
SOURCE: Final = "transactions"

logger = logging.getLogger(__name__)


def enqueue_settlement(
    data: SettlementPayload,
    *,
    correlation_id: str | None = None,
    job_id: str | None = None,
    metadata: JobMetadata | None = None,
) -> QueueJob[SettlementPayload]:
    """Add the capture of a transaction: HIGH, five attempts, 5 s exponential backoff.

    The id defaults to `settlement-<tx_id>`. Raises JobIdConflict when it stands for another
    command, any other QueueRejected, naming the field, for wrong ids, and QueueUnavailable.
    """
    _check(data, SettlementPayload)
    options = JobOptions(
        attempts=5,
        priority=Priority.HIGH,
        backoff=SETTLEMENT_BACKOFF,
        job_id=_first(job_id, correlation_id, f"settlement-{data.tx_id}"),
    )
    return _add(SETTLEMENT, data, options, correlation_id, metadata)


def enqueue_validation(
    data: ValidationPayload,
    *,
    correlation_id: str | None = None,
    job_id: str | None = None,
    metadata: JobMetadata | None = None,
) -> QueueJob[ValidationPayload]:
    """Add the validation of a transaction: NORMAL, two attempts.

    The id defaults to `validation-<tx_id>`, so another validation of the same transaction
    needs an id of its own. Raises as `enqueue_settlement` does.
    """
    _check(data, ValidationPayload)
    options = JobOptions(
        attempts=2, priority=Priority.NORMAL, job_id=_first(job_id, correlation_id, f"validation-{data.tx_id}")
    )
    return _add(VALIDATION, data, options, correlation_id, metadata)


def enqueue_refund(
    data: RefundPayload,
    *,
    correlation_id: str | None = None,
    job_id: str | None = None,
    metadata: JobMetadata | None = None,
) -> QueueJob[RefundPayload]:
    """Add a refund: HIGH, three attempts.

    The id defaults to `refund-<tx_id>`, and `refund-<tx_id>~<refund_id>` for a refund with an id
    of its own, so that several parts of one transaction are several jobs. Raises as
    `enqueue_settlement` does.
    """
    _check(data, RefundPayload)
    name = join_ids(data.tx_id, data.refund_id) if data.refund_id else data.tx_id
    options = JobOptions(attempts=3, priority=Priority.HIGH, job_id=_first(job_id, correlation_id, f"refund-{name}"))
    return _add(REFUND, data, options, correlation_id, metadata)


def _check(data: object, kind: type) -> None:
    if not isinstance(data, kind):
        raise InvalidPayload(f"The payload is a {type(data).__name__}; it must be a {kind.__name__}.", field="data")


def _first(*ids: str | None) -> str | None:
    """Return the first id that was given; an empty one was given, and is refused later."""
    return next((one for one in ids if one is not None), None)


def _add[P](
    name: str, data: P, options: JobOptions, correlation_id: str | None, metadata: JobMetadata | None
) -> QueueJob[P]:
    metadata = metadata or new_metadata(SOURCE)
    if correlation_id is not None:
        metadata = replace(metadata, correlation_id=correlation_id)
    job = get_queue(QueueName.TRANSACTION_PROCESSING).add(name, data, options, metadata=metadata)
    logger.info("job added", extra={"job_name": name, "job_id": options.job_id})
    return job
