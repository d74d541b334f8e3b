"""`python -m demo`: start everything, run real commands, compare, and stay up until Ctrl-C.

With ONCE=1 in the environment it ends after the run; PORT is the web server's port. It exits
with 0 when everything agrees, with 1 when anything is off, and with 128 and the signal's
number when it is stopped midway.
"""

import os
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path

from demo.client import UnexpectedAnswer
from demo.processes import ProcessDied
from demo.report import checks_table, commands_table, logins
from demo.run import run
from demo.services import Services
from demo.signals import Stopped, StopSignals

FAULTS = (ProcessDied, UnexpectedAnswer, TimeoutError, OSError)
WATCH_SECONDS = 0.5
PORTS = 65536


def main() -> int:
    """Run the demo and return its exit code; nothing that it started is left."""
    port = _port(os.environ.get("PORT", ""))
    signals = StopSignals().install()
    folder = Path(tempfile.mkdtemp(prefix="queue-demo-"))
    services = Services(folder, signals, port=port)
    code = 1
    try:
        code = _story(services, once=os.environ.get("ONCE", "0") not in {"", "0"})
    except Stopped as stopped:
        _say(f"\nThe demo was {stopped}.")
        code = 128 + stopped.signum
    except FAULTS as exc:
        _say(f"\nThe demo failed. {type(exc).__name__}: {exc}")
    finally:
        signals.ignore()
        faults = services.stop()
    if faults:
        _say("Not everything ended as it has to:", *faults)
        code = code or 1
    if code == 1:
        _say(f"The logs are in {services.processes.logs}.")
    else:
        shutil.rmtree(folder)
    return code


def _port(text: str) -> int | None:
    """Return the port that was asked for, None for any; exit when it is none or is taken."""
    if not text:
        return None
    if not text.isdecimal() or not 0 < int(text) < PORTS:
        sys.exit(f"PORT is {text!r}; write a port number, or leave it out for a free one.")
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", int(text)))
        except OSError as exc:
            sys.exit(f"PORT {text} is in use or not allowed ({exc.strerror}); leave it out for a free one.")
    return int(text)


def _story(services: Services, *, once: bool) -> int:
    started = time.monotonic()
    _say("Starting Valkey, the database, the web server, two workers, a Slack endpoint and a mail server ...")
    client = services.start()
    _say(f"Everything answers after {time.monotonic() - started:.0f} s. Sending commands ...")
    outcome = run(services, client)
    services.processes.check()
    _say(commands_table(outcome.book), checks_table(outcome.checks))
    verdict = "Everything agrees" if outcome.agrees else "NOT EVERYTHING AGREES"
    _say(f"\n{verdict}, after {time.monotonic() - started:.0f} s.")
    if not once:
        _say(logins(services))
        _stay(services)
    return 0 if outcome.agrees else 1


def _stay(services: Services) -> None:
    """Stay up until a signal; raise ProcessDied when a process ends before."""
    try:
        while True:
            services.processes.check()
            time.sleep(WATCH_SECONDS)
    except Stopped:
        _say("\nStopping ...")


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join([*lines, ""]))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
