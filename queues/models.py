"""The platform's permissions, and the records of accepted jobs.

The permissions belong to a model without a table, as Django has them belong to one.
"""

from typing import ClassVar

from django.db import models
from django.db.models import Q


class Queue(models.Model):
    """A queue, for the admin and for permissions; what it holds is asked of its provider."""

    name = models.CharField(primary_key=True, max_length=255)

    class Meta:
        """No table, and the rights that operators are given."""

        managed = False
        default_permissions = ()
        verbose_name_plural = "queues"
        permissions = (
            ("view_queue", "Can see queues and their jobs"),
            ("operate_queue", "Can pause, resume and clean queues, and retry and remove jobs"),
            ("view_payload", "Can see what a job carries"),
            ("add_job", "Can add jobs"),
        )

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class JobRecord(models.Model):
    """An accepted job: all that it takes to publish it, again if need be, and how it ended.

    A row is open until the job has ended. It is published when the provider has confirmed it;
    `claimed_until` is until when one relay has it to itself.
    """

    class State(models.TextChoices):
        """Whether the job is still owed."""

        OPEN = "open"
        COMPLETED = "completed"
        FAILED = "failed"
        DISCARDED = "discarded"

    queue = models.CharField(max_length=255)
    job_id = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    body = models.TextField()
    data_length = models.PositiveIntegerField()
    options = models.CharField(max_length=255)
    correlation_id = models.CharField(max_length=255, db_index=True)
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    accepted_at = models.DateTimeField()
    available_at = models.DateTimeField()
    claimed_until = models.DateTimeField(null=True)
    published_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    attempts_made = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    result = models.TextField(blank=True)

    class Meta:
        """One row for a job; small indexes for what the relay asks."""

        default_permissions = ("view",)
        constraints: ClassVar = [models.UniqueConstraint(fields=["queue", "job_id"], name="one_record_for_a_job")]
        indexes: ClassVar = [
            models.Index(
                fields=["queue", "id"],
                condition=Q(state="open", published_at=None),
                name="records_to_publish",
            ),
            models.Index(fields=["queue", "id"], condition=Q(state="open"), name="open_records"),
            models.Index(fields=["ended_at"], condition=~Q(state="open"), name="ended_records"),
        ]

    def __str__(self) -> str:
        """Return the queue and the id."""
        return f"{self.queue}:{self.job_id}"
