"""The e-mails that were sent, or could not be: one row for each job."""

from typing import ClassVar

from django.db import models


class EmailDelivery(models.Model):
    """What became of one e-mail. A second run of its job finds the row and sends nothing twice."""

    class State(models.TextChoices):
        """Where the e-mail stands."""

        PENDING = "pending", "pending"
        SENT = "sent", "sent"
        FAILED = "failed", "failed"

    job_id = models.CharField(max_length=255, unique=True)
    correlation_id = models.CharField(max_length=255, db_index=True)
    to = models.CharField(max_length=320)
    template = models.CharField(max_length=100)
    subject = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    error = models.TextField(blank=True)
    message_id = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Newest first."""

        verbose_name_plural = "email deliveries"
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [models.Index(fields=["state", "-created_at"], name="email_delivery_state")]

    def __str__(self) -> str:
        """Return the template, the recipient and the state."""
        return f"{self.template} to {self.to} ({self.state})"
