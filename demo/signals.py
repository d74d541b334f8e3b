"""Signals that end the demo, as exceptions at a point where nothing is left behind."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """The demo was told to end; `signum` says by which signal."""

    def __init__(self, signum: int) -> None:
        """Keep the number of the signal."""
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


class StopSignals:
    """Raises Stopped in the main thread at the first Ctrl-C, TERM or HUP, but never inside `held()`."""

    def __init__(self) -> None:
        """Start with no signal seen."""
        self._holds = 0
        self._seen: int | None = None

    def install(self) -> "StopSignals":
        """Take the signals over; called once, in the main thread."""
        for signum in ENDING:
            # `nohup` ignores HUP, and means it.
            if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:
                signal.signal(signum, self._on_signal)
        return self

    @staticmethod
    def ignore() -> None:
        """Let no further signal cut the clean-up short."""
        for signum in ENDING:
            signal.signal(signum, signal.SIG_IGN)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Put off a signal until the block is left, so that a process just started is also noted."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
        if self._seen is not None and not self._holds:
            raise Stopped(self._seen)

    def _on_signal(self, signum: int, _frame: FrameType | None) -> None:
        if self._seen is not None:
            return  # the clean-up has begun
        self._seen = signum
        if not self._holds:
            raise Stopped(signum)
