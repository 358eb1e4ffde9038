"""`fleet system` as it is used: what is listed, what is said of what the API does not offer, and exit status."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from fleet.simulator import Simulator
from tests.processes import fleet

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


async def test_directories_that_a_site_lacks_decide_the_exit_status(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    del simulator.sites["sim-0002"].state.directories["arcgisoutput"]
    inventory = str(write_inventory(simulator))

    every = await fleet("system", "directories", "list", "-i", inventory, "-o", "table")
    one = await fleet("system", "directories", "list", "-i", inventory, "-o", "csv", "-s", "sim-0001")

    assert [every.returncode, one.returncode] == [1, 0]
    assert "free disk space is not offered by the API" in every.stderr
    assert "OUTPUT" in every.stdout


async def test_properties_are_set_by_command_and_secrets_never_by_argument(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=2)
    inventory = str(write_inventory(simulator))
    for site in simulator.sites.values():
        site.state.properties = {"kept": "yes"}
    arguments = ["system", "properties", "set", "-i", inventory, "-s", "all", "--yes"]

    refused = await fleet(*arguments, "httpProxyPassword=opens-the-proxy")
    nothing = await fleet(*arguments)
    done = await fleet(
        *arguments,
        "WebContextURL=https://gis.example.net/arcgis",
        "disableAdminDirectoryCache:=true",
        "--secret-from",
        "httpProxyPassword=env:PROXY",
        env={"PROXY": "opens-the-proxy"},
    )
    listed = await fleet("system", "properties", "list", "WebContextURL", "-i", inventory, "-o", "csv")

    assert [refused.returncode, nothing.returncode, done.returncode] == [2, 2, 0]
    assert "opens-the-proxy" not in refused.stderr + done.stdout + done.stderr
    for site in simulator.sites.values():
        assert site.state.properties == {
            "kept": "yes",
            "WebContextURL": "https://gis.example.net/arcgis",
            "disableAdminDirectoryCache": True,
            "httpProxyPassword": "opens-the-proxy",
        }
    rows = list(csv.DictReader(io.StringIO(listed.stdout)))
    assert [(row["site"], row["value"]) for row in rows] == [
        (name, "https://gis.example.net/arcgis") for name in simulator.sites
    ]


async def test_the_other_parts_answer(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    inventory = str(write_inventory(simulator))

    for reading in (
        ["config-store", "status"],
        ["web-adaptors", "list"],
        ["services-directory", "status"],
        ["jobs"],
    ):
        result = await fleet("system", *reading, "-i", inventory, "-o", "json")
        assert (result.returncode, json.loads(result.stdout)["coverage"]["answered"]) == (0, 2), reading
    off = await fleet("system", "services-directory", "off", "-i", inventory, "-s", "all", "--dry-run", "-o", "json")
    assert {outcome["outcome"] for outcome in json.loads(off.stdout)["outcomes"]} == {"changed"}
    assert not any(entry.changed for entry in simulator.ledger if entry.operation != "generateToken")
    cleared = await fleet("system", "cache", "clear", "-i", inventory, "-s", "all", "--yes")
    assert cleared.returncode == 0
    assert {site.count("clear") for site in simulator.sites.values()} == {1}
