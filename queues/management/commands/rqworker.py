"""Run a worker for queues on RQ, in place of django-rq's command of the same name."""

import os
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string

from queues.adapters.rq.connection import worker_client
from queues.conf import QueueConf, WorkerConf, queue_conf, worker_conf
from queues.errors import QueueError
from queues.registry import registry
from queues.worker.isolation import InChild
from queues.worker.runner import InThread

WORKER_CLASS: Final = "queues.adapters.rq.worker.Worker"
ISOLATION: Final[Mapping[str, type[InThread]]] = {"thread": InThread, "process": InChild}
# What django-rq's command takes and means nothing here: jobs are JSON, queues and jobs are ours.
IGNORED: Final = ("--queue-class", "--job-class", "--serializer", "--worker-ttl")


def whole(text: str) -> int:
    """Return a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r:.40} is no whole number of at least 1")
    return int(text)


class Command(BaseCommand):
    """Runs jobs until it is told to stop.

    TERM or INT lets what runs end within QUEUE_GRACE, twice ends it at once; what does not end goes
    back to waiting.
    """

    help = "Runs the jobs of the given queues, or of all queues."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what django-rq's rqworker takes, the number of threads, and how they run jobs."""
        parser.add_argument("queues", nargs="*", help="queue names; all queues when none is given")
        parser.add_argument("--burst", action="store_true", help="end when the queues are empty")
        parser.add_argument("--concurrency", type=whole, help="jobs at once; QUEUE_CONCURRENCY otherwise")
        parser.add_argument(
            "--isolation",
            choices=ISOLATION,
            default="thread",
            help="process: run each job in a child process, for code that can crash or leak",
        )
        parser.add_argument("--name", help="the worker's name; host, pid and a random part otherwise")
        parser.add_argument("--pid", help="file to write the process id into")
        parser.add_argument("--max-jobs", type=whole, help="end after so many jobs")
        parser.add_argument("--max-idle-time", type=whole, help="end after so many seconds without a job")
        parser.add_argument("--worker-class", default=WORKER_CLASS, help="dotted path of the worker class")
        parser.add_argument("--with-scheduler", action="store_true", help="accepted for RQ; delays need no scheduler")
        for option in IGNORED:
            parser.add_argument(option, help="accepted for RQ; it changes nothing")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the worker."""
        names = options["queues"] or list(registry)
        confs, conf = _read_conf(names)
        if options["concurrency"] is not None:
            conf = replace(conf, concurrency=options["concurrency"])
        if options["pid"]:
            _write_pid(Path(options["pid"]).expanduser())
        worker = import_string(options["worker_class"])(
            names,
            name=options["name"] or f"{os.uname().nodename}-{os.getpid()}-{uuid4().hex[:8]}",
            connection=worker_client(confs[0].connection),
        )
        worker.conf = conf
        worker.way = ISOLATION[options["isolation"]]()
        worker.work(burst=options["burst"], max_jobs=options["max_jobs"], max_idle_time=options["max_idle_time"])


def _read_conf(names: list[str]) -> tuple[list[QueueConf], WorkerConf]:
    try:
        return [queue_conf(name) for name in names], worker_conf()
    except QueueError as exc:
        raise CommandError(exc.message) from exc


def _write_pid(path: Path) -> None:
    try:
        path.write_text(str(os.getpid()))
    except OSError as exc:
        raise CommandError(f"--pid {path} cannot be written: {exc.strerror}.") from exc
