"""Definitions that go from site to site: export, import, and settings copied from a site where they are right."""

from __future__ import annotations

import copy
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fleet.simulator import Simulator
from fleet.simulator.state import Service
from tests.processes import fleet

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


def twin(simulator: Simulator) -> tuple[Service, Service]:
    """One service of the same name on both sites."""
    one, two = (site.state.add_service("", "Twin", "MapServer") for site in simulator.sites.values())
    return one, two


def changed(text: str) -> dict[str, dict[str, Any]]:
    """Site and item -> change."""
    return {
        f"{outcome['site']} {one['item']}": one
        for outcome in json.loads(text)["outcomes"]
        for one in outcome["value"]["changes"]
    }


async def test_what_was_exported_is_imported_elsewhere_and_places_stay(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=2, services=3)
    here, there = twin(simulator)
    here.definition["maxIdleTime"] = 60
    here.definition["properties"] |= {"maxRecordCount": "5000", "dbPassword": "geheim", "newOne": "1"}
    here.definition["extensions"][1]["enabled"] = "true"
    there.definition["maxIdleTime"] = "1800"
    there.definition["properties"] |= {"filePath": "/elsewhere/Twin.msd", "dbPassword": "anders"}
    only_here = simulator.sites["sim-0001"].state.add_service("Fresh", "Only", "MapServer")
    simulator.sites["sim-0001"].state.folder_names["Fresh"] = ""
    inventory = str(write_inventory(simulator))
    file = tmp_path / "out.json"

    out = await fleet("services", "export", str(file), "-i", inventory, "-s", "sim-0001", "-o", "csv")
    twice = await fleet("services", "export", str(file), "-i", inventory, "-s", "sim-0001")
    arguments = ["Twin.MapServer", "Fresh/*", "-i", inventory, "-s", "sim-0002", "--yes", "-o", "json"]
    dry = await fleet("services", "import", str(file), *arguments, "--dry-run")
    untouched = copy.deepcopy(there.definition)
    done = await fleet("services", "import", str(file), *arguments)
    again = await fleet("services", "import", str(file), *arguments)

    assert (out.returncode, twice.returncode, dry.returncode, done.returncode) == (0, 2, 0, 0), (
        done.stderr + done.stdout
    )
    assert "geheim" not in file.read_text()
    told = changed(dry.stdout)["sim-0002 Twin.MapServer"]
    assert told["old"] == {
        "maxIdleTime": "1800",
        "properties.maxRecordCount": "1000",
        "extensions.WMSServer.enabled": "false",
    }
    assert told["new"] == {
        "maxIdleTime": "60",
        "properties.maxRecordCount": "5000",
        "properties.newOne": "1",
        "extensions.WMSServer.enabled": "true",
    }
    assert untouched["maxIdleTime"] == "1800"
    assert there.definition["maxIdleTime"] == "60"
    assert there.definition["properties"]["filePath"] == "/elsewhere/Twin.msd"
    assert there.definition["properties"]["dbPassword"] == "anders"
    assert only_here.key in simulator.sites["sim-0002"].services
    assert [outcome["outcome"] for outcome in json.loads(again.stdout)["outcomes"]] == ["noop"]


async def test_settings_are_copied_from_the_site_where_they_are_right(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=2, services=3)
    here, there = twin(simulator)
    here.definition |= {"minInstancesPerNode": 2, "maxInstancesPerNode": 6, "maxIdleTime": 60}
    common = ("-i", str(write_inventory(simulator)), "-s", "all", "--yes", "-o", "json")

    some = await fleet(
        *("services", "copy-settings", "--from", "sim-0001", "*.MapServer"), "--only", "*InstancesPerNode", *common
    )
    copied = dict(there.definition)
    rest = await fleet("services", "copy-settings", "--from", "sim-0001", "Twin.MapServer", *common)
    wrong = await fleet("services", "copy-settings", "--from", "sim-001", "*", *common)

    assert some.returncode == 0, some.stderr
    assert (copied["minInstancesPerNode"], copied["maxInstancesPerNode"], copied["maxIdleTime"]) == (2, 6, 1800)
    assert changed(some.stdout)["sim-0002 Twin.MapServer"]["outcome"] == "changed"
    assert not any(key.startswith("sim-0001") for key in changed(some.stdout))
    assert changed(rest.stdout)["sim-0002 Twin.MapServer"]["new"] == {"maxIdleTime": 60}
    assert (wrong.returncode, "did you mean sim-0001?" in wrong.stderr) == (2, True)


async def test_a_file_that_can_not_be_is_told_and_nothing_is_sent(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=2, services=2)
    inventory = str(write_inventory(simulator))
    both = tmp_path / "both.json"
    await fleet("services", "export", str(both), "-i", inventory, "-s", "all")
    sent = len(simulator.ledger)
    (tmp_path / "bad.json").write_text('{"schema":"other"}')
    (tmp_path / "dots.json").write_text(
        '{"schema":"fleet.services/1","sites":{"a":[{"folderName":"","serviceName":"..","type":"x","definition":{}}]}}'
    )
    common = ("-i", inventory, "-s", "all", "--yes")

    for arguments, told in (
        ((str(both),), "say which one with --from"),
        ((str(both), "--from", "sim-9"), "the file has no site sim-9"),
        ((str(both), "Nope/*", "--from", "sim-0001"), "Nope/* fits no service"),
        ((str(tmp_path / "bad.json"),), "that is no file that `fleet services export` has written"),
        ((str(tmp_path / "dots.json"),), "the file is not whole"),
    ):
        result = await fleet("services", "import", *arguments, *common)
        assert (result.returncode, told in result.stderr) == (2, True), (arguments, result.stderr)
    assert len(simulator.ledger) == sent

    full = await fleet("services", "export", "/dev/full", "--force", "-i", inventory, "-s", "all", "-o", "csv")
    assert (full.returncode, "can't be written, and nothing of it is" in full.stderr) == (1, True)
