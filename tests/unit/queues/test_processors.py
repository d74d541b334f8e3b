"""Processors: registered once each, by a name that is right, for a payload that is typed."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from queues import processors as module
from queues.errors import InvalidJobName, QueueMisconfigured, UnknownProcessor
from queues.metadata import JobMetadata
from queues.processors import RunningJob, autodiscover, find_processor, processor, processor_names

NAME = "unit.test.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What the processors here take."""

    n: int


@dataclass
class Mutable:
    """A payload that could be changed on its way."""

    n: int


@pytest.fixture(autouse=True)
def no_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry of this test's own."""
    monkeypatch.setattr(module, "_processors", {})


def test_a_processor_is_found_by_its_jobs_name() -> None:
    """The function stays as it was; what it takes is known."""

    @processor(NAME)
    def run(payload: Payload) -> int:
        return payload.n

    found = find_processor(NAME)

    assert run(Payload(n=3)) == 3
    assert (found.name, found.function, found.payload_type) == (NAME, run, Payload)
    assert (found.wants_job, found.is_async) == (False, False)
    assert processor_names() == [NAME]


def test_a_second_parameter_is_the_running_job() -> None:
    """By position, whatever its name."""

    @processor(NAME)
    def run(payload: Payload, job: RunningJob) -> None: ...

    assert find_processor(NAME).wants_job


def test_a_processor_may_be_a_coroutine() -> None:
    """It is known to be one."""

    @processor(NAME)
    async def run(payload: Payload) -> None: ...

    assert find_processor(NAME).is_async


def test_a_processor_may_take_the_json_object() -> None:
    """`dict` is the payload type of those who want it untyped."""

    @processor(NAME)
    def run(payload: dict) -> None: ...  # type: ignore[type-arg]

    assert find_processor(NAME).payload_type is dict


@pytest.mark.parametrize("name", ["process-data", "unit.test", "unit.test.v0", "Unit.test.v1", "", None])
def test_a_bad_name_is_refused(name: Any) -> None:
    """Before the function is looked at."""
    with pytest.raises(InvalidJobName):
        processor(name)
    assert processor_names() == []


def unannotated(payload) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001, D103 - on purpose
    ...


def mutable(payload: Mutable) -> None: ...  # noqa: D103 - as above


def text(payload: str) -> None: ...  # noqa: D103 - as above


def optional(payload: Payload | None) -> None: ...  # noqa: D103 - as above


def nothing() -> None: ...  # noqa: D103 - as above


def three(payload: Payload, job: RunningJob, more: int) -> None: ...  # noqa: D103 - as above


def by_name(payload: Payload, *, job: RunningJob) -> None: ...  # noqa: D103 - as above


def any_number(*payload: Payload) -> None: ...  # noqa: D103 - as above


@pytest.mark.parametrize("function", [unannotated, mutable, text, optional, nothing, three, by_name, any_number])
def test_a_function_that_cannot_be_called_so_is_refused(function: Any) -> None:
    """It must take a payload that is a frozen dataclass, and at most the running job; the error names it."""
    with pytest.raises(QueueMisconfigured, match=f"{function.__name__} must"):
        processor(NAME)(function)
    with pytest.raises(UnknownProcessor):
        find_processor(NAME)


def test_a_name_has_one_processor() -> None:
    """Two functions for one name are a mistake that names both."""

    @processor(NAME)
    def one(payload: Payload) -> None: ...

    with pytest.raises(QueueMisconfigured, match=r"unit\.test\.v1 has two processors: .*one and .*two"):

        @processor(NAME)
        def two(payload: Payload) -> None: ...

    assert find_processor(NAME).function is one


def test_a_reloaded_module_registers_again() -> None:
    """The same function from the same place, as the development server reloads it, is no duplicate."""

    def define() -> Any:
        @processor(NAME)
        def run(payload: Payload) -> None: ...

        return run

    first, second = define(), define()

    assert first is not second
    assert find_processor(NAME).function is second


@pytest.mark.parametrize("name", ["unit.other.v1", "", "x" * 1000, None])
def test_an_unknown_name_is_an_error(name: Any) -> None:
    """It names the field and stays short."""
    with pytest.raises(UnknownProcessor) as caught:
        find_processor(name)

    assert caught.value.field == "name"
    assert len(caught.value.message) < 200


def test_one_function_may_run_several_names() -> None:
    """Versions that are alike share their code."""

    def run(payload: Payload) -> None: ...

    processor("unit.test.v1")(processor("unit.test.v2")(run))

    assert processor_names() == ["unit.test.v1", "unit.test.v2"]


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[Path]:
    """An app of its own among the installed ones."""
    import django

    django.setup()
    folder = tmp_path / "discovered_app"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "discovered_app"]
    yield folder
    for name in [name for name in sys.modules if name.startswith("discovered_app")]:
        del sys.modules[name]


def test_an_apps_processors_are_discovered(app: Path) -> None:
    """`<app>/processors.py` of an installed app is imported, and needs no list anywhere."""
    (app / "processors.py").write_text(
        "from dataclasses import dataclass\n"
        "from queues import processor\n"
        "@dataclass(frozen=True)\n"
        "class P:\n"
        "    n: int\n"
        "@processor('discovered.job.v1')\n"
        "def run(payload: P) -> None: ...\n"
    )

    autodiscover()

    assert find_processor("discovered.job.v1").function.__module__ == "discovered_app.processors"


def test_an_app_without_processors_is_no_error(app: Path) -> None:
    """But an error inside the module is not swallowed."""
    autodiscover()

    (app / "processors.py").write_text("import no_such_module_anywhere\n")
    importlib.invalidate_caches()
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        autodiscover()


def test_a_running_job_knows_its_place() -> None:
    """One idempotency key for every run of a job and for no other; the last attempt knows that it is."""
    reported: list[float] = []
    values = {"id": "j1", "queue": "q", "name": NAME, "attempts": 3, "metadata": JobMetadata(correlation_id="c")}
    first = RunningJob(**values, attempt=1, report=reported.append)  # type: ignore[arg-type]
    last = RunningJob(**values, attempt=3, report=reported.append)  # type: ignore[arg-type]

    first.progress(40)

    assert (first.idempotency_key, last.idempotency_key) == ("q:j1", "q:j1")
    assert (first.is_last_attempt, last.is_last_attempt, reported) == (False, True, [40])


def test_once_is_refused_for_an_async_function() -> None:
    """What it writes would be on another connection, outside of the record's transaction."""

    async def write(data: dict) -> None:  # type: ignore[type-arg]
        """Do nothing; it never runs."""

    with pytest.raises(QueueMisconfigured, match="async"):
        processor("once.async.v1", once=True)(write)
