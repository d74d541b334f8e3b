"""The permissions for queues and their jobs; no table."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Creates what the permissions belong to."""

    initial = True
    dependencies: ClassVar[list[tuple[str, str]]] = []
    operations: ClassVar[list[migrations.operations.base.Operation]] = [
        migrations.CreateModel(
            name="Queue",
            fields=[
                ("name", models.CharField(max_length=255, primary_key=True, serialize=False)),
            ],
            options={
                "verbose_name_plural": "queues",
                "permissions": (
                    ("view_queue", "Can see queues and their jobs"),
                    ("operate_queue", "Can pause, resume and clean queues, and retry and remove jobs"),
                    ("view_payload", "Can see what a job carries"),
                    ("add_job", "Can add jobs"),
                ),
                "managed": False,
                "default_permissions": (),
            },
        ),
    ]
