"""A pytest plugin for which no test may be skipped: `-p tests.support.required`.

A suite that needs Chromium or Node skips itself where they are missing; on a machine that
is to have everything, such a skip hides a test that never ran, so here it is a failure.
"""

from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that skipped itself, and say why it did."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        _refuse(report, item.nodeid)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a module that skipped itself while it was collected."""
    report = yield
    if report.skipped:
        _refuse(report, collector.nodeid)
    return report


def _refuse(report: pytest.TestReport | pytest.CollectReport, node: str) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{node} was skipped, and this run requires every test ({reason})"
