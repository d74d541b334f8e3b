"""Names of queues and jobs, and the rule that each must keep.

Pure values: nothing here imports Django or a broker.
"""

import re
from enum import StrEnum
from functools import lru_cache
from typing import Final

from queues.errors import InvalidJobName, InvalidQueueName

JOB_NAME_LENGTH: Final = 255
_JOB_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:\.[a-z][a-z0-9]*)+\.v[1-9][0-9]*")
_QUEUE_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


class QueueName(StrEnum):
    """The eight queues of the specification; settings may add a team's own."""

    TRANSACTION_PROCESSING = "transaction-processing"
    TRANSACTION_SETTLEMENT = "transaction-settlement"
    NOTIFICATION_EMAIL = "notification-email"
    NOTIFICATION_PUSH = "notification-push"
    SLACK_MESSAGES = "slack-messages"
    SLACK_ALERTS = "slack-alerts"
    DATA_PROCESSING = "data-processing"
    FILE_PROCESSING = "file-processing"


def check_job_name(name: object) -> str:
    """Return `name` when it is `domain.action.vN`; raise InvalidJobName otherwise.

    Lower-case words joined by dots, at least two of them, then a version from v1 up:
    `transaction.settlement.v1`, `notification.email.send.v2`.
    """
    if isinstance(name, str) and _is_job_name(name):
        return name
    raise InvalidJobName(
        f"{name!r:.80} is not a job name: write lower-case words joined by dots, at least two, "
        "and a version from v1 up, such as 'transaction.settlement.v1'.",
        field="name",
    )


@lru_cache(maxsize=1024)
def _is_job_name(name: str) -> bool:
    return len(name) <= JOB_NAME_LENGTH and _JOB_NAME.fullmatch(name) is not None


def check_queue_name(name: object) -> str:
    """Return `name` when it is kebab-case; raise InvalidQueueName otherwise."""
    if isinstance(name, str) and len(name) <= JOB_NAME_LENGTH and _QUEUE_NAME.fullmatch(name):
        return str(name)
    raise InvalidQueueName(
        f"{name!r:.80} is not a queue name: write lower-case words joined by hyphens, "
        "such as 'transaction-processing'.",
        field="queue",
    )
