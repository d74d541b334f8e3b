"""What was posted to Slack, or could not be: one row for each job."""

from typing import ClassVar

from django.db import models


class SlackDelivery(models.Model):
    """What became of one message. A second run of its job finds the row and posts nothing twice.

    `channel` is as it was asked for; `posted_channel` and `ts` are Slack's own names for the
    place and the message. `rate_limits` counts how often Slack put the message off.
    """

    class State(models.TextChoices):
        """Where the message stands."""

        PENDING = "pending", "pending"
        POSTED = "posted", "posted"
        FAILED = "failed", "failed"

    queue = models.CharField(max_length=255)
    job_id = models.CharField(max_length=255)
    correlation_id = models.CharField(max_length=255, db_index=True)
    channel = models.CharField(max_length=100)
    text = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    error = models.TextField(blank=True)
    posted_channel = models.CharField(max_length=100, blank=True)
    ts = models.CharField(max_length=32, blank=True)
    rate_limits = models.PositiveIntegerField(default=0)
    fingerprint = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    posted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Newest first; one row for a job, whose id is its queue's own."""

        verbose_name_plural = "Slack deliveries"
        ordering: ClassVar = ["-created_at", "-id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["queue", "job_id"], name="slack_delivery_job")]
        indexes: ClassVar = [models.Index(fields=["state", "-created_at"], name="slack_delivery_state")]

    def __str__(self) -> str:
        """Return the channel and the state."""
        return f"{self.channel} ({self.state})"
