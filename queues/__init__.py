"""The face of the platform: all that a domain app may import.

A domain app's services add jobs through `get_queue()`, its processors run them under
`@processor`; everything else in this package is the platform's own.
"""

from queues.errors import (
    InvalidJobName,
    InvalidMetadata,
    InvalidOptions,
    InvalidPayload,
    InvalidTransition,
    JobError,
    JobIdConflict,
    JobIsActive,
    JobTimeout,
    LeaseLost,
    PayloadTooLarge,
    PermanentError,
    QueueError,
    QueueFull,
    QueueMisconfigured,
    QueueRejected,
    QueueUnavailable,
    RetryLater,
    UnknownJob,
    UnknownProcessor,
    UnknownQueue,
)
from queues.jobs import Backoff, JobOptions, JobState, NewJob, QueueJob, QueueStats, Retention
from queues.metadata import JobMetadata, SystemUser, UserToken, current_metadata, new_metadata
from queues.names import QueueName
from queues.ports import GenericQueue
from queues.priorities import Priority
from queues.processors import RunningJob, processor
from queues.registry import get_queue

__all__ = [
    "Backoff",
    "GenericQueue",
    "InvalidJobName",
    "InvalidMetadata",
    "InvalidOptions",
    "InvalidPayload",
    "InvalidTransition",
    "JobError",
    "JobIdConflict",
    "JobIsActive",
    "JobMetadata",
    "JobOptions",
    "JobState",
    "JobTimeout",
    "LeaseLost",
    "NewJob",
    "PayloadTooLarge",
    "PermanentError",
    "Priority",
    "QueueError",
    "QueueFull",
    "QueueJob",
    "QueueMisconfigured",
    "QueueName",
    "QueueRejected",
    "QueueStats",
    "QueueUnavailable",
    "Retention",
    "RetryLater",
    "RunningJob",
    "SystemUser",
    "UnknownJob",
    "UnknownProcessor",
    "UnknownQueue",
    "UserToken",
    "current_metadata",
    "get_queue",
    "new_metadata",
    "processor",
]
