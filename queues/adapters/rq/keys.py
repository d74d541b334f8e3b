"""The Redis keys of a queue, and job ids as RQ allows them in its keys."""

import re
from collections.abc import Sequence
from typing import Final

from queues.priorities import Priority

JOB: Final = "rq:job:"
WORKERS: Final = "rq:workers"
SUSPENDED: Final = "rq:suspended"
FAR: Final = 3_155_760_000  # as in lua/common.lua
LEVELS: Final[Sequence[Priority]] = sorted(Priority)
_PLAIN: Final = re.compile(r"[A-Za-z0-9-]+")
_OTHER: Final = re.compile(rb"[^A-Za-z0-9-]")
_ESCAPED: Final = re.compile(rb"_([0-9a-f]{2})|__")


def level_keys(queue: str) -> list[str]:
    """Return the five lists of a queue, most urgent first; NORMAL is RQ's own list."""
    return [f"rq:queue:{queue}" if level is Priority.NORMAL else f"rq:queue:{queue}:p{level.value}" for level in LEVELS]


def queue_keys(queue: str) -> list[str]:
    """Return the keys that every script gets, in the order of lua/common.lua."""
    registries = [f"rq:{registry}:{queue}" for registry in ("wip", "finished", "failed", "scheduled")]
    ours = [f"rq:mq:{queue}:{name}" for name in ("paused", "wake", "counters", "expiry")]
    return [*level_keys(queue), *registries, *ours, SUSPENDED]


def encode_id(queue: str, job_id: str) -> str:
    """Return the RQ id of a queue's job: `<queue>_x<id>`, for RQ's ids are one Redis' and ours one queue's.

    RQ allows [A-Za-z0-9_-]+ only (rq/job.py, JOB_ID_PATTERN): an underscore becomes two, and
    any other byte `_` and its two hex digits.
    """
    if _PLAIN.fullmatch(job_id):
        return f"{queue}_x{job_id}"
    escaped = _OTHER.sub(
        lambda match: b"__" if match[0] == b"_" else b"_%02x" % match[0][0], job_id.encode(errors="surrogatepass")
    )
    return f"{queue}_x{escaped.decode()}"


def decode_id(encoded: str) -> str:
    """Return the job id that `encode_id` was given; an id that RQ itself made is its own."""
    _, separator, escaped = encoded.partition("_x")
    if not separator:
        return encoded
    if "_" not in escaped:
        return escaped
    raw = _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]) if match[1] else b"_", escaped.encode())
    return raw.decode(errors="replace")
