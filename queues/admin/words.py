"""How pages write numbers, durations, errors and JSON."""

import json
from datetime import datetime, timedelta
from typing import Any, Final

NOTHING: Final = "—"
ERROR_LENGTH: Final = 160
JSON_CHARACTERS: Final = 8_000
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def count(number: int) -> str:
    """Return a whole number with its thousands apart."""
    return f"{number:,}"


def parts(duration: timedelta | None) -> list[tuple[str, str]]:
    """Return a duration as its two largest numbers, each with its unit: 4 min, 12 s."""
    if duration is None:
        return [(NOTHING, "")]
    seconds = max(0.0, duration.total_seconds())
    if seconds < 10:  # noqa: PLR2004 - a tenth of a second says something up to here
        return [(f"{seconds:.1f}", "s")]
    left, found = int(seconds), []
    for size, unit in _UNITS:
        number, left = divmod(left, size)
        if number:
            found.append((str(number), unit))
        elif found:
            break
    return found[:2]


def duration(value: timedelta | None) -> str:
    """Return a duration in words: 0.4 s, 4 min 12 s, 2 d 3 h."""
    return " ".join(f"{number} {unit}".strip() for number, unit in parts(value))


def ago(moment: datetime | None, now: datetime) -> str:
    """Return how long ago or how soon a moment is."""
    if moment is None:
        return NOTHING
    return f"in {duration(moment - now)}" if moment > now else f"{duration(now - moment)} ago"


def between(start: datetime | None, end: datetime | None) -> str:
    """Return the time between two moments."""
    return NOTHING if start is None or end is None else duration(end - start)


def error_line(text: str | None) -> str:
    """Return the one line of an error that says what it was: a traceback's is its last."""
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    if not lines:
        return ""
    line = lines[-1] if lines[0].startswith("Traceback") else lines[0]
    return line if len(line) <= ERROR_LENGTH else line[: ERROR_LENGTH - 1] + "…"


def as_json(value: Any, *, whole: bool = False) -> tuple[str, bool]:
    """Return a value as indented JSON, and whether it was cut."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    cut = not whole and len(text) > JSON_CHARACTERS
    return (text[:JSON_CHARACTERS] if cut else text), cut
