"""What a run measures, from the environment.

ONLY picks sections and SYSTEMS picks systems (comma lists); REPEATS is how many measured
repetitions follow the warm-up (5), SCALE multiplies every job count (1.0); JSON names a file
for all figures; DOCS=1 writes docs/benchmarks.svg and docs/benchmarks.md.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

ROOT: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Conf:
    """One run."""

    only: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()
    repeats: int = 5
    scale: float = 1.0
    json: Path | None = None
    docs: bool = False

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the environment; raise ValueError that names the variable and what would be right."""
        repeats, scale = environ.get("REPEATS") or "5", environ.get("SCALE") or "1.0"
        if not repeats.isdecimal() or int(repeats) < 1:
            raise ValueError(f"REPEATS is {repeats!r}; write a whole number of at least 1.")
        try:
            factor = float(scale)
        except ValueError:
            factor = 0
        if not 0 < factor <= 100:
            raise ValueError(f"SCALE is {scale!r}; write a number above 0 and up to 100.")
        return cls(
            only=_words(environ.get("ONLY", "")),
            systems=_words(environ.get("SYSTEMS", "")),
            repeats=int(repeats),
            scale=factor,
            json=Path(environ["JSON"]) if environ.get("JSON") else None,
            docs=environ.get("DOCS", "").lower() in {"1", "true", "yes"},
        )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
