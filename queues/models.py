"""The platform's permissions; job records come with durability.

The permissions belong to a model without a table, as Django has them belong to one.
"""

from django.db import models


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
