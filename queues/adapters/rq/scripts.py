"""The Lua scripts: read once, called by hash, loaded again when the server forgot them."""

from collections.abc import Sequence
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final

import redis
from redis.exceptions import NoScriptError

# Settling and sweeping free memory in the end, so they must work when none is left. Redis 6.2
# does not know the flag and takes the first line for an error, so it is added by version.
_IN_OOM: Final = frozenset({"settle", "sweep", "extend", "move", "resume", "remove", "clean", "drain"})
_FLAGS_SINCE: Final = 7


class Script:
    """One script and its hash."""

    def __init__(self, name: str, *, flags: bool) -> None:
        """Read the script's file behind what all scripts share."""
        folder = files("queues.adapters.rq") / "lua"
        head = "#!lua flags=allow-oom\n" if flags and name in _IN_OOM else ""
        self.source = f"{head}{(folder / 'common.lua').read_text()}\n{(folder / f'{name}.lua').read_text()}"
        self.sha = sha1(self.source.encode(), usedforsecurity=False).hexdigest()


@cache
def _script(name: str, *, flags: bool) -> Script:
    return Script(name, flags=flags)


class Scripts:
    """Calls scripts on one server, over the keys of one queue."""

    def __init__(self, client: redis.Redis, keys: Sequence[str]) -> None:
        """Take the client and the keys; ask the server's version when first called."""
        self.client = client
        self.keys = (len(keys), *keys)
        self._flags: bool | None = None

    def __call__(self, name: str, *arguments: Any) -> Any:
        """Run a script in one round trip; two when the server does not know it yet."""
        if self._flags is None:
            version = str(self.client.info("server")["redis_version"])
            self._flags = int(version.partition(".")[0]) >= _FLAGS_SINCE
        script = _script(name, flags=self._flags)
        try:
            return self.client.execute_command("EVALSHA", script.sha, *self.keys, *arguments)
        except NoScriptError:
            return self.client.execute_command("EVAL", script.source, *self.keys, *arguments)
