"""One queue on RQ: the producer's and operator's half of the port."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

import msgspec

from queues.adapters.base import STALLED, AdapterQueue, Prepared, check_clean, check_page, check_progress, known_id, utc
from queues.adapters.rq.connection import client, risks, translated, twice
from queues.adapters.rq.consumer import RQConsumer
from queues.adapters.rq.keys import FAR, JOB, LEVELS, decode_id, encode_id, level_keys, queue_keys
from queues.adapters.rq.scripts import Scripts
from queues.adapters.rq.wire import STATES, read_job, read_time, write_data
from queues.codec import encode_result
from queues.conf import QueueConf
from queues.errors import (
    InvalidTransition,
    JobIdConflict,
    JobIsActive,
    UnknownJob,
)
from queues.jobs import MILLISECOND, JobOptions, JobState, QueueJob, QueueStats
from queues.packed import milliseconds, pack
from queues.ports import Capabilities
from queues.priorities import Priority

CHUNK: Final = 1000
_STALL_ERROR: Final = encode_result("stalled: the worker's lease lapsed")


class RQQueue(AdapterQueue):
    """A queue whose jobs are RQ jobs; RQ's and django-rq's tools read them."""

    capabilities = Capabilities(durable=True)

    def __init__(self, conf: QueueConf) -> None:
        """Take the queue's settings; connect when first used."""
        super().__init__(conf)
        self.keys = queue_keys(self.name)
        self.levels = level_keys(self.name)
        # redis-py's types cover every reply of both protocols and of async clients; ours are these.
        self._client: Any = client(conf.connection)
        self._script = Scripts(self._client, self.keys)

    def call(self, name: str, *arguments: Any, safe_twice: bool = False) -> Any:
        """Run a script; send it again once after a lost connection if that is safe."""
        with translated(f"{name} on {self.name}"):
            if safe_twice:
                return twice(lambda: self._script(name, *arguments))
            return self._script(name, *arguments)

    # Adding

    def store(self, jobs: Sequence[Prepared]) -> list[QueueJob[Any]]:
        """Write all jobs or none; see `queues.prepared`."""
        arguments: list[Any] = []
        groups = 0
        for options, members in groupby(jobs, key=lambda job: job.options):
            run_alike = list(members)
            groups += 1
            arguments += _how(options)
            arguments.append(len(run_alike))
            for job in run_alike:
                data, length = write_data(job)
                # An id of our own making has nothing to escape.
                encoded = encode_id(self.name, job.id) if options.job_id else f"{self.name}_x{job.id}"
                arguments += (encoded, data, length)
        reply = self.call("add", self.name, self.levels[2], groups, *arguments, safe_twice=True)
        if reply[0] == b"conflict":
            raise JobIdConflict(f"The job {jobs[reply[1]].id!r:.80} is known with other content.", field="job_id")
        known = dict(zip(reply[1::2], reply[2::2], strict=True))
        now = utc(float(reply[0]))
        return [self._stored(job, now, known.get(at)) for at, job in enumerate(jobs)]

    def _stored(self, job: Prepared, now: datetime, known: int | None) -> QueueJob[Any]:
        if known == 1:
            there = self.get_job(job.id)
            if there is not None:
                return msgspec.structs.replace(there, data=job.data, duplicate=True)
        delay = job.options.delay
        state = JobState.DELAYED if delay else JobState.WAITING
        return self.added(job, state, now + delay if delay else now, now)

    # Reading

    def get_job(self, job_id: str) -> QueueJob[Any] | None:
        """Return a job; see the port."""
        if not known_id(job_id):
            return None
        return next(self._read([encode_id(self.name, job_id)]), None)

    def _read(self, encoded: Sequence[str]) -> Iterator[QueueJob[Any]]:
        with translated(f"reading jobs of {self.name}"):
            replies = twice(lambda: self._fetch(encoded))
        for at, encoded_id in enumerate(encoded):
            fields, due = replies[2 * at], replies[2 * at + 1]
            if fields and fields.get(b"origin", b"").decode() == self.name:
                yield read_job(self.name, encoded_id, fields, due)

    def _fetch(self, encoded: Sequence[str]) -> list[Any]:
        pipe = self._client.pipeline(transaction=False)
        for encoded_id in encoded:
            pipe.hgetall(JOB + encoded_id)
            pipe.zscore(self.keys[8], encoded_id)
        replies: list[Any] = pipe.execute()
        return replies

    def states(self, job_ids: Sequence[str]) -> dict[str, JobState]:
        """Return the state of each job that the queue knows; see the port."""

        def fetch() -> list[Any]:
            pipe = self._client.pipeline(transaction=False)
            for job_id in job_ids:
                pipe.hget(JOB + encode_id(self.name, job_id), "status")
            replies: list[Any] = pipe.execute()
            return replies

        with translated(f"reading jobs of {self.name}"):
            statuses = twice(fetch)
        return {
            job_id: STATES.get(status, JobState.FAILED)
            for job_id, status in zip(job_ids, statuses, strict=True)
            if status
        }

    def list_jobs(self, state: JobState, offset: int = 0, limit: int = 100) -> list[QueueJob[Any]]:
        """Return a page of jobs; see the port."""
        check_page(offset, limit)
        with translated(f"listing jobs of {self.name}"):
            ids = twice(lambda: self._page(state, offset, limit))
        return [job for job in self._read(ids) if job.state is state]

    def _page(self, state: JobState, offset: int, limit: int) -> list[str]:
        if limit == 0:
            return []
        if state is JobState.WAITING:
            return self._waiting_page(offset, limit)
        if state in {JobState.COMPLETED, JobState.FAILED}:
            return self._ended_page(self.keys[6 if state is JobState.COMPLETED else 7], offset, limit)
        active = state is JobState.ACTIVE
        entries = self._client.zrange(self.keys[5 if active else 8], offset, offset + limit - 1, desc=active)
        return [entry.decode().partition(":")[0] for entry in entries]

    def _ended_page(self, key: str, offset: int, limit: int) -> list[str]:
        """Merge those that counts may remove with those they may not, newest first; see FAR in lua/common.lua."""
        most = offset + limit
        ended = [
            (score - century * FAR, entry)
            for century, above in ((1, 2 * FAR), (2, 3 * FAR))
            for entry, score in self._client.zrevrangebyscore(
                key, f"({above}", century * FAR, start=0, num=most, withscores=True
            )
        ]
        return [entry.decode() for _, entry in sorted(ended, reverse=True)[offset:most]]

    def _waiting_page(self, offset: int, limit: int) -> list[str]:
        ids: list[str] = []
        for key in self.levels:
            length = self._client.llen(key)
            if offset >= length:
                offset -= length
                continue
            ids += [entry.decode() for entry in self._client.lrange(key, offset, offset + limit - len(ids) - 1)]
            offset = 0
            if len(ids) == limit:
                break
        return ids

    def get_stats(self) -> QueueStats:
        """Return the counts; see the port."""
        now, waiting, active, completed, failed, delayed, paused, heads = self.call("stats", safe_twice=True)
        entered = [at.timestamp() for head in heads if (at := read_time(head)) is not None]
        oldest = timedelta(seconds=max(0.0, float(now) - min(entered))) if entered else None
        return QueueStats(
            waiting=waiting,
            active=active,
            completed=completed,
            failed=failed,
            delayed=delayed,
            is_paused=bool(paused),
            oldest_waiting=oldest,
        )

    def risks(self) -> list[str]:
        """Return what Redis' own settings put at risk, and what to set instead."""
        return risks(self._client)

    # Operating

    def pause(self) -> None:
        """Let nothing start; see the port."""
        with translated(f"pausing {self.name}"):
            twice(lambda: self._client.set(self.keys[9], "1"))

    def resume(self) -> None:
        """Let jobs start again; see the port."""
        self.call("resume", safe_twice=True)

    def is_paused(self) -> bool:
        """Say whether the queue is paused."""
        with translated(f"asking whether {self.name} is paused"):
            return bool(twice(lambda: self._client.exists(self.keys[9])))

    def remove_job(self, job_id: str) -> None:
        """Forget a job; see the port."""
        if known_id(job_id) and self.call("remove", 1, "", encode_id(self.name, job_id), safe_twice=True)[:1] == [
            b"active"
        ]:
            raise JobIsActive(f"The job {job_id!r:.80} is running.", field="job_id")

    def clean(self, grace: timedelta, state: JobState, limit: int = 0) -> list[str]:
        """Remove old jobs of one state; see the port."""
        state = check_clean(grace, state, limit)
        if state in {JobState.WAITING, JobState.DELAYED}:
            return self._clean_unstarted(grace, state, limit)
        registry = {JobState.ACTIVE: 6, JobState.COMPLETED: 7, JobState.FAILED: 8}[state]
        return self._in_chunks(
            limit, lambda most: self.call("clean", registry, round(grace / MILLISECOND), most, safe_twice=False)
        )

    @staticmethod
    def _in_chunks(limit: int, chunk: Callable[[int], list[bytes]]) -> list[str]:
        gone: list[str] = []
        while not limit or len(gone) < limit:
            most = min(CHUNK, limit - len(gone)) if limit else CHUNK
            ids = chunk(most)
            gone += [decode_id(encoded.decode()) for encoded in ids]
            if len(ids) < most:
                break
        return gone

    def _clean_unstarted(self, grace: timedelta, state: JobState, limit: int) -> list[str]:
        """Read through the lists in pages, then remove the old ones, oldest first."""
        with translated(f"reading the clock of {self.name}"):
            seconds, micro = self._client.time()
        before = utc(seconds + micro / 1_000_000) - grace
        old: list[tuple[Any, str]] = []
        offset = 0
        while page := self._page(state, offset, CHUNK):
            offset += len(page)
            with translated(f"reading jobs of {self.name}"):
                pipe = self._client.pipeline(transaction=False)
                for encoded in page:
                    pipe.hmget(JOB + encoded, "enqueued_at", "created_at")
                for encoded, times in zip(page, pipe.execute(), strict=True):
                    at = read_time(times[0] or times[1])
                    if at is not None and at <= before:
                        old.append((at, encoded))
        ids = [encoded for _, encoded in sorted(old)]
        status = "queued" if state is JobState.WAITING else "scheduled"
        gone: list[bytes] = []
        for start in range(0, len(ids[: limit or None]), CHUNK):
            chunk = ids[: limit or None][start : start + CHUNK]
            gone += self.call("remove", 0, status, *chunk)
        return [decode_id(encoded.decode()) for encoded in gone]

    def retry_job(self, job_id: str) -> QueueJob[Any]:
        """Retry a failed job; see the port."""
        self._move(job_id, "retry")
        return self._moved(job_id)

    def promote_job(self, job_id: str) -> QueueJob[Any]:
        """Let a delayed job run now; see the port."""
        self._move(job_id, "promote")
        return self._moved(job_id)

    def change_priority(self, job_id: str, priority: Priority) -> QueueJob[Any]:
        """Move a job to another level; see the port."""
        self._move(job_id, "priority", str(Priority.parse(priority).value))
        return self._moved(job_id)

    def update_progress(self, job_id: str, progress: float) -> None:
        """Note how far an active job is; see the port."""
        self._move(job_id, "progress", repr(check_progress(progress)))

    def _move(self, job_id: str, action: str, argument: str = "") -> None:
        answer = self.call("move", encode_id(self.name, job_id), action, argument) if known_id(job_id) else b"unknown"
        if answer == b"unknown":
            raise UnknownJob(f"The queue {self.name} has no job {job_id!r:.80}.", field="job_id")
        if answer != b"ok":
            raise InvalidTransition(f"The job's status is {answer.decode()}; this needs another.", field="state")

    def _moved(self, job_id: str) -> QueueJob[Any]:
        job = self.get_job(job_id)
        if job is None:
            raise UnknownJob(f"The job {job_id!r:.80} was removed meanwhile.", field="job_id")
        return job

    def drain(self, *, delayed: bool = False) -> int:
        """Remove every waiting job; see the port."""
        gone = 0
        while True:
            count = int(self.call("drain", CHUNK, int(delayed)))
            gone += count
            if count < CHUNK:
                return gone

    def sweep(self) -> int:
        """Return lapsed leases to waiting; see the port."""
        moved = 0
        while True:
            stalled, forgotten = map(
                int, self.call("sweep", self.conf.crash_limit, STALLED, _STALL_ERROR, CHUNK // 2, safe_twice=True)
            )
            moved += stalled + forgotten
            if max(stalled, forgotten) < CHUNK // 2:
                return moved

    def consumer(self, worker: str) -> RQConsumer:
        """Return what a worker takes jobs through."""
        return RQConsumer(self, worker)


def _how(options: JobOptions) -> tuple[int, int, int, str]:
    """Return what lua/add.lua takes for jobs that are to be run alike: level, delay, timeout, packed options."""
    packed = replace(options, delay=timedelta(0), job_id=None) if options.delay or options.job_id else options
    return (
        LEVELS.index(options.priority) + 1,
        milliseconds(options.delay),
        max(1, round(options.timeout.total_seconds())),
        pack(packed),
    )
