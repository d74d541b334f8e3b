"""What the kernel says of the processes under test, and of those beside them."""

import os
import time
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")


def private_memory(pid: int) -> int:
    """Return the bytes of memory that are the process's own; the mapped ledger is not among them."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"/proc/{pid}/status names no RssAnon")


class Others:
    """How much of the CPU processes took that are neither ours, nor our children, nor the server."""

    def __init__(self, server: int) -> None:
        """Begin to count, beside the server with that process id."""
        self._server = server
        self._began, self._busy, self._own = time.monotonic(), _busy(), _own(server)

    def percent(self) -> float:
        """Return their share of all cores since the beginning. Children count once they have ended."""
        span = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        others = (_busy() - self._busy) - (_own(self._server) - self._own)
        return max(0.0, 100 * others / span)


def _busy() -> float:
    """Return the seconds that all cores have been busy, or taken by the host's other guests."""
    user, nice, system, _idle, _wait, *interrupts = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    return sum(map(int, (user, nice, system, *interrupts))) / _TICKS


def _own(server: int) -> float:
    times = os.times()
    fields = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()
    return sum(times[:4]) + (int(fields[11]) + int(fields[12])) / _TICKS
