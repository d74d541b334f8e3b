"""Places at which a test may kill the process, to prove that nothing is lost there.

`QUEUES_FAILPOINT=after_run` kills the process as by SIGKILL when it gets there;
`QUEUES_FAILPOINT=after_run:20` at the twentieth time. Unset, `reached` does nothing.
"""

import os
import signal
from itertools import count

_NAME, _, _TIMES = os.environ.get("QUEUES_FAILPOINT", "").partition(":")
_passed = count(1)


def _die(name: str) -> None:
    if name == _NAME and next(_passed) >= int(_TIMES or "1"):
        os.kill(os.getpid(), signal.SIGKILL)


def _pass(name: str) -> None:
    """Do nothing."""


reached = _die if _NAME else _pass
