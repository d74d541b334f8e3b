"""The repository's own files, for tests that read them."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("queues", "transactions", "notifications", "slackworker", "mqproject")
CODE = (*PACKAGES, "tests", "benchmarks", "demo")


def code_files(*folders: str) -> Iterator[Path]:
    """Return the Python files of the folders (all of the code when none is given), migrations left out."""
    for folder in folders or CODE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not {"migrations", "__pycache__", "node_modules"} & set(path.parts):
                yield path


def doc_files() -> Iterator[Path]:
    """Return the pages that a reader is given."""
    yield from sorted(ROOT.glob("*.md"))
    yield from sorted((ROOT / "docs").rglob("*.md"))


def name_of(path: Path) -> str:
    """Return a file's path as the repository names it."""
    return path.relative_to(ROOT).as_posix()
