"""How long the records of ended jobs are kept."""

from datetime import timedelta

from django.utils import timezone

from queues.models import JobRecord


def prune(queue: str, alias: str, age: timedelta, batch: int = 1000) -> int:
    """Delete a queue's rows that ended longer than `age` ago, a batch in a transaction; return how many.

    What a row knew is forgotten with it: a copy of the provider's data that is older than `age` may
    run such a job again.
    """
    before = timezone.now() - age
    rows = JobRecord.objects.using(alias).filter(queue=queue).exclude(state=JobRecord.State.OPEN)
    ended = rows.filter(ended_at__lt=before)
    deleted = 0
    while ids := list(ended.order_by("ended_at").values_list("pk", flat=True)[:batch]):
        # Asked again, for a dead letter may have been retried meanwhile.
        deleted += ended.filter(pk__in=ids).delete()[0]
    return deleted
