"""What every test gets: folders of its own for state, configuration and cache, and simulated sites."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from fleet.simulator import Simulator
from tests import postgres

pytest_plugins = ["fleet.simulator.pytest"]

settings.register_profile(
    "ci", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.register_profile("soak", max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """The last lines say how many tests wanted a browser or a PostgreSQL and had none."""
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = [] if reporter is None else reporter.stats.get("skipped", [])
    count = sum("no Chromium" in str(report.longrepr) for report in skipped)
    if count:
        reporter.write_line(f"{count} tests of pages were skipped, for there is no Chromium: apt-get install chromium")
    count = sum("no PostgreSQL" in str(report.longrepr) for report in skipped)
    if count:
        reporter.write_line(f"{count} tests were skipped, for there is no PostgreSQL: apt-get install postgresql")


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's folders, and none sees a variable of the machine's."""
    for name in list(os.environ):
        if name.startswith("FLEET_"):
            monkeypatch.delenv(name)
    for kind in ("STATE", "CONFIG", "CACHE"):
        monkeypatch.setenv(f"FLEET_{kind}_DIR", str(tmp_path / kind.lower()))
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Callable[[], str]]:
    """A function that gives the URL of a new, empty database of a PostgreSQL that runs for the tests."""
    with postgres.server() as make:
        yield make


@pytest.fixture
def write_inventory(tmp_path: Path) -> Callable[[Simulator | str], Path]:
    """A function that writes the inventory of a simulator, or a text, and returns the file."""

    def write(source: Simulator | str) -> Path:
        path = tmp_path / "inventory.toml"
        path.write_text(source if isinstance(source, str) else source.inventory_toml(), encoding="utf-8")
        return path

    return write
