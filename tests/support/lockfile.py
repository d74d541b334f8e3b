"""Whether requirements.lock says what pyproject.toml asks for; `make check` runs it.

Nothing is downloaded: the requirements are followed through what is installed here, which
came from the lock. A marker that is false here, such as one for Windows, is not followed.
"""

import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires
from typing import Any

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from tests.support.repository import ROOT

EXTRAS = ("postgres",)
GROUP = "dev"


def pinned(lock: str) -> dict[NormalizedName, Version]:
    """Return the lock's packages and their versions; raise ValueError for one that has no hash."""
    pins = {}
    for entry in lock.replace("\\\n", " ").splitlines():
        if not entry or entry.lstrip().startswith("#"):
            continue
        requirement, *hashes = entry.split("--hash=")
        name, _, version = requirement.partition(";")[0].strip().partition("==")
        if not hashes:
            raise ValueError(f"requirements.lock has no hash for {name}")
        pins[canonicalize_name(name)] = Version(version)
    return pins


def asked(pyproject: Mapping[str, Any]) -> Iterator[Requirement]:
    """Return what the lock is made from: the dependencies, the extras and the group of development."""
    project = pyproject["project"]
    yield from map(Requirement, project["dependencies"])
    for extra in EXTRAS:
        yield from map(Requirement, project["optional-dependencies"][extra])
    yield from _group(pyproject["dependency-groups"], GROUP)


def _group(groups: Mapping[str, list[Any]], name: str) -> Iterator[Requirement]:
    for entry in groups[name]:
        if isinstance(entry, str):
            yield Requirement(entry)
        else:
            yield from _group(groups, entry["include-group"])


def problems(requirements: Iterable[Requirement], pins: Mapping[NormalizedName, Version]) -> list[str]:
    """Return a sentence for each requirement that the lock does not meet, and each pin that nobody asks for."""
    found, todo, reached = [], list(requirements), set[tuple[str, str]]()
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        version = pins.get(name)
        if version is None:
            found.append(f"pyproject.toml asks for {requirement}, which requirements.lock does not have")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            found.append(f"pyproject.toml asks for {requirement}, and requirements.lock has {version}")
        for extra in ("", *requirement.extras):
            if (name, extra) not in reached:
                reached.add((name, extra))
                todo.extend(_needs(name, extra))
    known = {name for name, _ in reached}
    spare = sorted(name for name in pins.keys() - known if _installed(name))
    return found + [f"requirements.lock has {name}, which nothing asks for" for name in spare]


def _needs(name: str, extra: str) -> Iterator[Requirement]:
    environment = {**default_environment(), "extra": extra}
    for line in (requires(name) if _installed(name) else None) or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            yield requirement


def _installed(name: str) -> bool:
    try:
        requires(name)
    except PackageNotFoundError:
        return False
    return True


def check() -> list[str]:
    """Return what is wrong in the repository's own lock file."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        pyproject = tomllib.load(file)
    return problems(asked(pyproject), pinned((ROOT / "requirements.lock").read_text(encoding="utf-8")))


def main() -> int:
    """Print the problems; return 1 if there are any."""
    found = check()
    for problem in found:
        sys.stderr.write(f"{problem}\n")
    sys.stdout.write("requirements.lock agrees with pyproject.toml\n" if not found else "Write it anew: make lock\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
