"""The worker class that `rqworker` and `rqworker-pool` load: RQ's record, our loop.

It registers, beats, obeys suspend, stop-job and shutdown as RQ's tools expect, and runs no RQ
scheduler and no RQ maintenance: leases, delays and retention are ours.
"""

import logging
import os
import socket
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

import django
import redis
from django.apps import apps
from redis.client import Pipeline, PubSub
from redis.exceptions import RedisError
from rq import worker_registration
from rq.executions import Execution
from rq.serializers import JSONSerializer
from rq.utils import now, utcformat
from rq.worker import WorkerStatus
from rq.worker.base import BaseWorker

from queues.adapters.rq.connection import risks, translated
from queues.adapters.rq.keys import decode_id, encode_id
from queues.conf import WorkerConf, queue_conf, worker_conf
from queues.errors import QueueFull, QueueUnavailable
from queues.ports import Delivery
from queues.registry import registry
from queues.worker.loop import Worker as Loop
from queues.worker.process import WorkerProcess, leave
from queues.worker.runner import InThread

RECORD_SECONDS: Final = 3.0
RECORD_TTL: Final = 30
LISTEN_SECONDS: Final = 3.0
log: Final = logging.getLogger("queues.worker")


class Worker(BaseWorker):
    """An RQ worker whose jobs are run by the platform's loop."""

    loop: Loop
    conf: WorkerConf | None = None
    way: InThread | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take RQ's arguments; jobs are JSON, whatever serializer was asked for."""
        kwargs["serializer"] = JSONSerializer
        # RQ would ask Redis for our address here, and Redis may be away just now.
        kwargs["prepare_for_work"] = False
        super().__init__(*args, **kwargs)
        self.hostname, self.pid = socket.gethostname(), os.getpid()
        self._over = threading.Event()

    def _set_connection(self, connection: redis.Redis) -> redis.Redis:
        """Leave the connection's time-outs: RQ would let it wait seven minutes for a reply that never comes."""
        return connection

    def work(
        self,
        burst: bool = False,  # noqa: FBT001, FBT002 - RQ's signature
        logging_level: str | None = None,
        date_format: str = "",
        log_format: str = "",
        max_jobs: int | None = None,
        max_idle_time: int | None = None,
        with_scheduler: bool = False,  # noqa: FBT001, FBT002 - as above
        dequeue_strategy: Any = None,
    ) -> bool:
        """Run jobs until stopped; return whether any ran. Delays need no scheduler, so none starts."""
        if not apps.ready:
            django.setup()
        names = self.queue_names()
        confs = [queue_conf(name) for name in names]
        servers = {name: repr(queue_conf(name).connection) for name in registry}
        self.loop = Loop(
            [registry[name] for name in names],
            self.name,
            self.conf or worker_conf(),
            lease=min(conf.lease.total_seconds() for conf in confs),
            result_bytes=min(conf.result_bytes for conf in confs),
            swept=[registry[name] for name in registry],
            providers={**servers, self.name: servers[names[0]]},
            burst=burst,
            max_jobs=max_jobs,
            max_idle=max_idle_time,
            way=self.way,
        )
        self.birth_date = self.last_heartbeat = now()
        recorder = threading.Thread(target=self._keep_record, name="queues-record", daemon=True)
        recorder.start()
        threading.Thread(target=self._listen, name="queues-commands", daemon=True).start()
        log.info("worker started", extra={"worker": self.name, "pid": os.getpid(), "queues": names})
        try:
            WorkerProcess(self.loop).run()
        finally:
            self._over.set()
            recorder.join(RECORD_SECONDS)
            self._end_record()
            log.info("worker ended", extra={"worker": self.name, "completed": self.loop.completed})
        ran = bool(self.loop.completed or self.loop.failed)
        leave(self.loop)
        return ran

    # RQ's record of the worker

    def _keep_record(self) -> None:
        """Write the whole record at every beat, so that one that Redis lost comes back."""
        warned = False
        while not self._over.is_set():
            try:
                with translated("the worker's record"):
                    self._write_record()
                if not warned:
                    self._warn()
                    warned = True
                self.loop.outage.over()
            except QueueFull:
                self._prolong_record()
            except QueueUnavailable as exc:
                self.loop.outage.seen(exc, self.name)
            self._over.wait(RECORD_SECONDS)

    def _write_record(self) -> None:
        loop = self.loop
        running = loop.running
        self.last_heartbeat = now()
        self._state = WorkerStatus.BUSY if running else WorkerStatus.IDLE
        record: dict[Any, Any] = {
            **self.serialize(),
            "state": self._state,
            "successful_job_count": loop.completed,
            "failed_job_count": loop.failed,
            "total_working_time": f"{loop.working_seconds:.6f}",
            "current_job": encode_id(running[0].consumer.queue.name, running[0].id) if running else "",
        }
        with self.connection.pipeline() as pipeline:
            pipeline.hset(self.key, mapping=record)
            pipeline.expire(self.key, RECORD_TTL)
            worker_registration.register(self, pipeline)
            self._write_executions(pipeline, running)
            pipeline.execute()
        for queue in self.queues:
            worker_registration.clean_worker_registry(queue)

    def _write_executions(self, pipeline: Pipeline, running: Sequence[Delivery]) -> None:
        """Show what runs now, and no more what ended, as RQ's executions; they end with the record."""
        before, self.executions = self.executions, {}
        for delivery in running:
            job_id = encode_id(delivery.consumer.queue.name, delivery.id)
            execution = before.pop(delivery.token, None) or Execution(
                delivery.token, job_id, self.connection, self.name
            )
            execution.last_heartbeat = now()
            self.executions[delivery.token] = execution
        pipeline.delete(self.executions_key, *(execution.key for execution in before.values()))
        for execution in self.executions.values():
            execution.save(RECORD_TTL, pipeline)
            pipeline.sadd(self.executions_key, execution.composite_key)
        pipeline.expire(self.executions_key, RECORD_TTL)

    def _warn(self) -> None:
        for risk in risks(self.connection):
            log.warning("provider at risk", extra={"risk": risk})

    def _prolong_record(self) -> None:
        """Keep the record that is there, since a full Redis takes no new one."""
        try:
            with translated("the worker's record"):
                self.connection.expire(self.key, RECORD_TTL)
        except QueueUnavailable as exc:
            self.loop.outage.seen(exc, self.name)

    def _end_record(self) -> None:
        # The subscription ends with the process; RQ's unsubscribe would wait a second for its thread.
        try:
            with self.connection.pipeline() as pipeline:
                worker_registration.unregister(self, pipeline)
                self._write_executions(pipeline, [])
                pipeline.hset(self.key, "death", utcformat(now()))
                pipeline.expire(self.key, RECORD_TTL)
                pipeline.execute()
        except RedisError as exc:
            log.warning("worker record not ended", extra={"error": type(exc).__name__})

    # RQ's commands

    def _listen(self) -> None:
        """Hear commands until the end, on a connection that is made anew when Redis no longer answers on it."""
        while not self._over.is_set():
            channel = self.connection.pubsub()
            try:
                with translated("listening for commands"):
                    channel.subscribe(self.pubsub_channel_name)
                    self._hear(channel)
            except QueueUnavailable as exc:
                self._over.wait(self.loop.outage.seen(exc, self.name))
            finally:
                channel.close()

    def _hear(self, channel: PubSub) -> None:
        pinged = False
        while not self._over.is_set():
            message = channel.get_message(timeout=LISTEN_SECONDS)
            if message is None and pinged:
                raise redis.TimeoutError("no answer to a ping")
            pinged = message is None
            if message is None:
                channel.ping()
            elif message["type"] == "message":
                self.handle_payload(message)

    def handle_payload(self, message: Mapping[str, Any]) -> None:
        """Obey a command that RQ's tools sent: shutdown, stop-job, stop-execution, kill-horse."""
        try:
            payload = JSONSerializer.loads(message["data"])
            command, job_id = payload["command"], decode_id(str(payload.get("job_id", "")))
        except (ValueError, KeyError, TypeError):
            log.warning("unreadable worker command")
            return
        if command == "shutdown":
            self.loop.stop()
        elif command in {"stop-job", "stop-execution"}:
            found = self.loop.cancel(job_id)
            log.info("stop-job", extra={"job_id": job_id, "found": found})
        else:
            log.warning("worker command not known", extra={"command": command})
