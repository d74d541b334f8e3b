"""What holds for every file of code: its size, its exceptions from the linter, what it never does."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.repository import CODE, ROOT, code_files, name_of

FILE_LINES = 400
FUNCTION_LINES = 60
PICKLING = re.compile(
    r"(?:import|from) c?pickle|cloudpickle|import dill|pickle\.(?:loads|dumps)|(?:Default|Pickle)Serializer"
)

# This file looks for it; one writes a pickle that would run code, to show that no page reads it; one asks a
# worker for RQ's pickling serialiser, to show that it is not taken.
PICKLING_ON_PURPOSE = {
    "tests/architecture/test_code.py",
    "tests/unit/queues/test_admin_rq_pages.py",
    "tests/process/test_commands.py",
}


def lines_of(path: Path) -> list[str]:
    """Return a file's lines."""
    return path.read_text(encoding="utf-8").splitlines()


def long_functions(path: Path) -> list[str]:
    """Return the functions of a file that have too many lines."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                found.append(f"{name_of(path)}:{node.lineno} {node.name} has {lines} lines")
    return found


def test_no_file_is_longer_than_one_can_read() -> None:
    """No file of code has more than 400 lines."""
    long = [f"{name_of(path)} has {len(lines_of(path))} lines" for path in code_files()]
    assert [entry for entry in long if int(entry.split()[-2]) > FILE_LINES] == []


def test_no_function_is_longer_than_a_screen() -> None:
    """No function has more than 60 lines."""
    assert [entry for path in code_files() for entry in long_functions(path)] == []


def test_a_long_function_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above sees one."""
    monkeypatch.setattr("tests.support.repository.ROOT", tmp_path)
    path = tmp_path / "long.py"
    path.write_text("def long():\n" + "    x = 1\n" * FUNCTION_LINES)
    assert long_functions(path) == ["long.py:1 long has 61 lines"]


def test_nothing_pickles() -> None:
    """No file imports or names a serialiser that can run code when it reads."""
    files = [path for folder in CODE for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".lua", ".toml"}]
    assert len(files) > 50
    found = [name_of(path) for path in files if PICKLING.search(path.read_text(encoding="utf-8"))]
    assert set(found) <= PICKLING_ON_PURPOSE


def test_every_exception_from_the_linter_has_its_reason() -> None:
    """A `noqa` names its rule and says why, as in `# noqa: S311 - spreads retries`."""
    bare = [
        f"{name_of(path)}:{number}"
        for path in code_files()
        for number, line in enumerate(lines_of(path), 1)
        if re.search(r"#\s*noqa(?!: [A-Z]+[0-9]+(, [A-Z]+[0-9]+)* - \w)", line)
    ]
    assert [place for place in bare if not place.startswith("tests/architecture/test_code.py")] == []
