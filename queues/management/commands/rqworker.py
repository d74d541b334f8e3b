"""Run a worker for queues on RQ, in place of django-rq's command of the same name."""

import os
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string

from queues.adapters.rq.connection import worker_client
from queues.conf import queue_conf, worker_conf
from queues.errors import QueueError
from queues.registry import registry

WORKER_CLASS = "queues.adapters.rq.worker.Worker"


class Command(BaseCommand):
    """Runs jobs until it is told to stop.

    TERM or INT lets what runs end within QUEUE_GRACE, twice ends it at once; what does not end goes
    back to waiting.
    """

    help = "Runs the jobs of the given queues, or of all queues."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what django-rq's rqworker takes, and the number of threads."""
        parser.add_argument("queues", nargs="*", help="queue names; all queues when none is given")
        parser.add_argument("--burst", action="store_true", help="end when the queues are empty")
        parser.add_argument("--concurrency", type=int, help="jobs at once; QUEUE_CONCURRENCY otherwise")
        parser.add_argument("--name", help="the worker's name; host, pid and a random part otherwise")
        parser.add_argument("--pid", help="file to write the process id into")
        parser.add_argument("--max-jobs", type=int, help="end after so many jobs")
        parser.add_argument("--max-idle-time", type=int, help="end after so many seconds without a job")
        parser.add_argument("--worker-class", default=WORKER_CLASS, help="dotted path of the worker class")
        parser.add_argument("--with-scheduler", action="store_true", help="accepted for RQ; delays need no scheduler")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the worker."""
        names = options["queues"] or list(registry)
        try:
            confs = [queue_conf(name) for name in names]
            conf = worker_conf()
        except QueueError as exc:
            raise CommandError(exc.message) from exc
        if options["concurrency"] is not None:
            if options["concurrency"] < 1:
                raise CommandError("--concurrency must be at least 1.")
            conf = replace(conf, concurrency=options["concurrency"])
        if options["pid"]:
            Path(options["pid"]).expanduser().write_text(str(os.getpid()))
        worker = import_string(options["worker_class"])(
            names,
            name=options["name"] or f"{os.uname().nodename}-{os.getpid()}-{uuid4().hex[:8]}",
            connection=worker_client(confs[0].connection),
        )
        worker.conf = conf
        worker.work(burst=options["burst"], max_jobs=options["max_jobs"], max_idle_time=options["max_idle_time"])
