"""The pages name only what exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import django
import pytest
from django.apps import apps
from django.db.models import Model
from django.utils.module_loading import import_string

from tests.support.repository import PACKAGES, ROOT, code_files, doc_files, name_of

PAGES = [name_of(path) for path in doc_files()]
_CODE = re.compile(r"```.*?```", re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"\.?[\w.-]+(?:/[\w.-]+)*/[\w.-]*|[\w-]+\.(?:py|md|toml|lock|lua)")
_TEST = re.compile(r"((?:[\w-]+/)+[\w-]+\.py)::(\w+)")
_DOTTED = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+")
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
# Paths of a reader's own app in the guides, and what a run makes.
_NOT_OURS = re.compile(r"(?:orders|\.venv|\.bench-venv|api/v\d|admin|health|metrics|application|rq|text|staticfiles)/")
_VARIABLE = re.compile(r"""env\.(?:text|flag|whole|words)\(\s*["']([A-Z_]+)["']""")


@pytest.fixture(autouse=True, scope="module")
def _apps() -> None:
    """Load the apps: a page may name what can only be imported with them."""
    django.setup()


def spans(page: Path) -> Iterator[str]:
    """Return what a page sets in backticks, its code blocks left out."""
    return iter(_SPAN.findall(_CODE.sub("", page.read_text(encoding="utf-8"))))


def missing(page: Path) -> list[str]:
    """Return what a page names of the repository and the repository does not have."""
    return [span for span in spans(page) if not _exists(span)]


def _exists(span: str) -> bool:
    if test := _TEST.fullmatch(span):
        file, name = test.groups()
        return (ROOT / file).is_file() and _defines(ROOT / file, name)
    if re.fullmatch(r"test_\w+", span):
        return any(_defines(path, span) for path in code_files("tests"))
    if _DOTTED.fullmatch(span):
        return _imports(span) or _is_permission(span)
    if _PATH.fullmatch(span) and not _NOT_OURS.match(span):
        return (ROOT / span).exists() or any(ROOT.glob(f"*/{span}")) or any((ROOT / "queues").rglob(span))
    return True


def _defines(file: Path, name: str) -> bool:
    return (
        re.search(rf"^ *(?:async )?(?:def|class) {name}\b", file.read_text(encoding="utf-8"), re.MULTILINE) is not None
    )


def _imports(dotted: str) -> bool:
    parts = dotted.split(".")
    for end in range(len(parts), 1, -1):
        try:
            value = import_string(".".join(parts[:end]))
        except ImportError:
            if (ROOT / "/".join(parts[:end])).is_dir() or (ROOT / ("/".join(parts[:end]) + ".py")).is_file():
                return end == len(parts)
            continue
        return all(hasattr(value, part) for part in parts[end : end + 1])
    return False


def _is_permission(dotted: str) -> bool:
    app, _, codename = dotted.partition(".")
    if not apps.is_installed(app):
        return False
    names = (name for model in apps.get_app_config(app).get_models() for name in permissions_of(model))
    return codename in names


def permissions_of(model: type[Model]) -> set[str]:
    """Return the permissions of a model, Django's own and those that it names."""
    own = {codename for codename, _ in model._meta.permissions}
    return own | {f"{action}_{model._meta.model_name}" for action in model._meta.default_permissions}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_only_what_exists(page: str) -> None:
    """Each path, test and dotted name in backticks is one that the repository has."""
    assert missing(ROOT / page) == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_links_only_to_what_exists(page: str) -> None:
    """Each relative link leads to a file."""
    path = ROOT / page
    links = _LINK.findall(path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize(
    "span",
    [
        "queues/no_such.py",
        "tests/unit/queues/test_no_such.py::test_x",
        "test_that_nobody_wrote",
        "queues.ports.NoSuch",
        "tests/architecture/test_docs.py::test_no_such",
        "no_such.md",
    ],
)
def test_a_name_that_does_not_exist_is_found(tmp_path: Path, span: str) -> None:
    """The tests above see a page that names what is not there."""
    page = tmp_path / "page.md"
    page.write_text(f"It is in `{span}`, as `queues/ports.py` says.\n")
    assert missing(page) == [span]


def test_the_readme_lists_every_variable() -> None:
    """README's table has each variable that the settings read, and no other."""
    read = set(_VARIABLE.findall((ROOT / "mqproject/settings.py").read_text(encoding="utf-8")))
    rows = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(rows) == read
    assert len(rows) == len(set(rows))


def test_the_specification_page_has_every_section() -> None:
    """docs/specification.md goes through all that the customer's specification has."""
    page = (ROOT / "docs/specification.md").read_text(encoding="utf-8")
    sections = (
        "Goals",
        "Architecture",
        "File structure",
        "Tokens",
        "The queue interface",
        "Priorities",
        "Queue names",
        "The production adapter",
        "The registry",
        "The transaction domain",
        "The Slack domain",
        "The module",
        "Testing",
        "Health",
        "Job names",
        "Metadata",
        "Decision records",
        "Environment",
        "Production readiness",
    )
    assert [name for name in sections if not re.search(rf"^## .*{name}", page, re.MULTILINE)] == []
