"""Child processes: started in sessions of their own, watched, and ended by process id.

A session of its own keeps the terminal's Ctrl-C from a child, so that the workers end
before the broker that they still have to tell about their jobs.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from demo.signals import StopSignals

ROOT = Path(__file__).resolve().parent.parent
STOP_SECONDS = 12.0
TAIL_LINES = 25
CLEAN = (0, -signal.SIGTERM)


class ProcessDied(Exception):
    """A process of the demo ended although nobody asked it to, or did not do what it was started for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One process, and the file that has its output."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def tail(self) -> str:
        """Return the last lines that the process wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])

    def kill_session(self) -> None:
        """Kill what is left of the process and of what it started itself, which its session holds."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def fail(self, what: str) -> ProcessDied:
        """Return the error that says what happened to the process, with its last words."""
        return ProcessDied(f"{self.name} {what}:\n{self.tail()}")


class Processes:
    """All processes of one run, in the order in which they were started."""

    def __init__(self, *, logs: Path, signals: StopSignals) -> None:
        """Write each process' output to a file in `logs`."""
        self.logs = logs
        self.children: list[Child] = []
        self._signals = signals

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Child:
        """Start a process that is to stay up."""
        with self._signals.held():
            child = self._spawn(name, command, environment)
            self.children.append(child)
        return child

    def run(self, name: str, command: Sequence[str], environment: Mapping[str, str], *, seconds: float = 90) -> str:
        """Run a command to its end and return its output. Raises ProcessDied unless it exits with 0."""
        child = self.start(name, command, environment)
        try:
            code = child.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise child.fail(f"was not done within {seconds:.0f} s") from None
        self.children.remove(child)
        if code:
            raise child.fail(f"exited with {code}")
        return child.log.read_text()

    def check(self) -> None:
        """Raise ProcessDied when a process that is to stay up has ended."""
        for child in self.children:
            if (code := child.process.poll()) is not None:
                raise child.fail(f"ended with {code}")

    def stop(self) -> list[str]:
        """End all processes, the first started last; return what was not as clean as it has to be."""
        later, first = self.children[1:], self.children[:1]
        faults = [fault for group in (later[::-1], first) for fault in self._end(group)]
        self.children.clear()
        return faults

    def _spawn(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Child:
        log = self.logs / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Child(name=name, process=process, log=log)

    @staticmethod
    def _end(group: Sequence[Child]) -> list[str]:
        """Ask all at once, wait for all together, then kill what is left."""
        for child in group:
            if child.process.poll() is None:
                child.process.terminate()
            else:
                child.kill_session()
        deadline = time.monotonic() + STOP_SECONDS
        faults = []
        for child in group:
            try:
                code = child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill_session()
                child.process.wait()
                faults.append(f"{child.name} did not end within {STOP_SECONDS:.0f} s and was killed")
            else:
                if code not in CLEAN:
                    faults.append(f"{child.name} ended with {code}")
        return faults
