"""Lists without a row: a pattern that fits nothing is said, and what reads csv finds its header all the same."""

from __future__ import annotations

import csv
import io
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fleet.simulator import Simulator
from tests.processes import fleet

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


@pytest.mark.parametrize(
    ("words", "thing", "column"),
    [
        (("services", "report"), "service", "realTimeState"),
        (("machines", "list"), "machine", "machineName"),
        (("datastores", "list"), "data item", "path"),
        (("datastores", "validate"), "data item", "state"),
        (("security", "users", "list"), "user", "username"),
        (("usage", "report"), "service", "RequestCount"),
        (("usage", "idle"), "service", "since"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
async def test_a_pattern_that_fits_nothing_is_said(
    words: tuple[str, ...], thing: str, column: str, simulate: Simulate, write_inventory: Write
) -> None:
    inventory = str(write_inventory(await simulate(sites=2)))

    result = await fleet(*words, "nope*", "-i", inventory, "-o", "csv")
    accepted = await fleet(*words, "nope*", "-i", inventory, "-o", "csv", "--allow-empty")

    assert [result.returncode, accepted.returncode] == [1, 0]
    assert f"nope* fits no {thing} of any of 2 sites" in result.stderr.splitlines()
    (header,) = csv.reader(io.StringIO(result.stdout))
    assert column in header
    assert "fits no" not in accepted.stderr


async def test_only_the_pattern_that_fits_nothing_is_named(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, machines=2)
    inventory = str(write_inventory(simulator))
    first, second = simulator.sites["sim-0001"].machines

    result = await fleet("machines", "list", first, "nope*", "-i", inventory, "-o", "csv")
    both = await fleet("machines", "list", first, second, "-i", inventory, "-o", "csv")

    assert [row["machineName"] for row in csv.DictReader(io.StringIO(result.stdout))] == [first]
    assert result.stderr.splitlines()[-1] == "nope* fits no machine of the site"
    assert [result.returncode, both.returncode] == [1, 0]


async def test_a_condition_that_nothing_fits_is_an_answer(simulate: Simulate, write_inventory: Write) -> None:
    inventory = str(write_inventory(await simulate(sites=1)))

    result = await fleet("services", "report", "--where", "max=99", "-i", inventory, "-o", "csv")

    assert result.returncode == 0
    ((site, service, *_),) = csv.reader(io.StringIO(result.stdout))
    assert (site, service) == ("site", "service")
