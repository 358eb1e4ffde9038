"""Comparisons of simulated sites: with most of them, with one of them, with what a snapshot holds of them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fleet import Fleet
from fleet.aggregate.compare import Comparison
from fleet.report import Report
from fleet.simulator import Simulator
from fleet.snapshots.comparing import Wanted, compare, compare_kept
from fleet.snapshots.store import Store
from fleet.snapshots.taking import save
from tests.processes import clean, fleet, outcomes_of

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


@pytest.fixture
async def alike(simulate: Simulate) -> Simulator:
    """Six sites that have the same services, and nothing else that differs but by nature."""
    simulator = await simulate(sites=6, machines=1, services=0, folders=1)
    for site in simulator.sites.values():
        for name in ("Roads", "Parcels", "Trees"):
            site.state.add_service("Planning", name, "MapServer")
    return simulator


@pytest.fixture
def inventory(alike: Simulator, write_inventory: Write) -> Path:
    """Their inventory: two groups, a label."""
    text = alike.inventory_toml() + "\n[groups.north]\n[groups.south]\n"
    for number, name in enumerate(alike.sites):
        group, tier = ("north", "dev") if number < 2 else ("south", "prod")
        told = f'groups = ["{group}"]\nlabels = {{ tier = "{tier}" }}\n'
        text = re.sub(rf"(\[sites\.{name}\]\n)", rf"\g<1>{told}", text)
    return write_inventory(text)


def service(simulator: Simulator, site: str, key: str = "Planning/Roads.MapServer") -> Any:
    return simulator.sites[site].state.services[key]


async def compared(path: Path, wanted: Wanted | None = None, selection: str = "all") -> tuple[Comparison, Report]:
    async with Fleet.from_inventory(path) as fleet:
        return await compare(fleet.select(selection), wanted or Wanted())


async def test_sites_that_are_set_up_alike_do_not_differ(inventory: Path) -> None:
    comparison, report = await compared(inventory)
    assert comparison.items == ()
    assert comparison.same > 30
    assert {outcome.outcome for outcome in report.outcomes} == {"ok"}
    bare, _ = await compared(inventory, Wanted(masked=False))
    assert bare.differs, "without masks the names of machines, certificates and times differ"


async def test_outliers_are_folded_and_explained(alike: Simulator, inventory: Path) -> None:
    for site in ("sim-0001", "sim-0002"):
        service(alike, site).definition["minInstancesPerNode"] = 0
        service(alike, site).definition["extensions"][0]["enabled"] = "false"
    service(alike, "sim-0004").real = "STOPPED"
    del alike.sites["sim-0005"].state.services["Planning/Trees.MapServer"]
    alike.sites["sim-0006"].state.add_service("", "Extra", "MapServer")
    comparison, report = await compared(inventory)
    found = {item.item: item for item in comparison.items}
    assert list(found) == ["Extra.MapServer", "Planning/Roads.MapServer", "Planning/Trees.MapServer"]
    roads = found["Planning/Roads.MapServer"].gaps
    assert [gap.sites for gap in roads] == [("sim-0001", "sim-0002"), ("sim-0004",)]
    assert [dict(step) for step in roads[0].steps] == [
        {"op": "change", "path": "/extensions/KmlServer/enabled", "old": "true", "new": "false"},
        {"op": "change", "path": "/minInstancesPerNode", "old": 1, "new": 0},
    ]
    assert roads[0].explained == {"by": "group", "key": "group", "value": "north"}
    assert [dict(step) for step in roads[1].steps] == [
        {"op": "change", "path": "/realTimeState", "old": "STARTED", "new": "STOPPED"}
    ]
    assert roads[1].explained is None
    assert [(gap.sites, gap.steps[0]["op"], gap.steps[0]["path"]) for gap in found["Extra.MapServer"].gaps] == [
        (("sim-0006",), "add", "")
    ]
    assert found["Planning/Trees.MapServer"].gaps[0].steps[0]["op"] == "remove"
    differing = {outcome.site: len(outcome.value["differences"]) for outcome in report.outcomes if outcome.ok}  # type: ignore[union-attr]
    assert differing == {"sim-0001": 1, "sim-0002": 1, "sim-0003": 0, "sim-0004": 1, "sim-0005": 1, "sim-0006": 1}


async def test_a_release_explains_what_only_it_has(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=6, machines=1, services=0, folders=0)
    for name in ("sim-0002", "sim-0005"):
        simulator.sites[name].state.release = "10.9.1"
        simulator.sites[name].state.log_settings["logLevel"] = "WARNING"
    comparison, _ = await compared(write_inventory(simulator), Wanted(sections=("logs",)))
    (item,) = comparison.items
    assert item.gaps[0].sites == ("sim-0002", "sim-0005")
    assert item.gaps[0].explained == {"by": "release", "key": "release", "value": "10.9.1"}


async def test_a_baseline_is_a_site(alike: Simulator, inventory: Path) -> None:
    service(alike, "sim-0003").definition["maxWaitTime"] = 90
    comparison, _ = await compared(inventory, Wanted(baseline="sim-0003", sections=("services",)))
    (item,) = comparison.items
    assert item.agree == ("sim-0003",)
    assert len(item.gaps[0].sites) == 5
    assert [dict(step) for step in item.gaps[0].steps] == [
        {"op": "change", "path": "/maxWaitTime", "old": 90, "new": 60}
    ]


async def test_with_a_snapshot_each_site_is_compared_with_itself(alike: Simulator, inventory: Path) -> None:
    service(alike, "sim-0001").definition["maxWaitTime"] = 90
    store = Store()
    async with Fleet.from_inventory(inventory) as fleet:
        before, _ = await save(fleet.select("not sim-0006"), store=store, name="before")
        assert before is not None
        comparison, report = await compare(fleet.select(), Wanted(since=before))
        assert comparison.items == ()
        assert [outcome.outcome for outcome in report.outcomes] == ["ok"] * 5 + ["skipped"]
        for name in ("sim-0002", "sim-0003"):
            service(alike, name).definition["properties"]["filePath"] = "/somewhere/else.msd"
        del alike.sites["sim-0004"].state.services["Planning/Trees.MapServer"]
        comparison, _ = await compare(fleet.select(), Wanted(since=before))
        after, _ = await save(fleet.select(), store=store)
        kept, report = compare_kept(fleet, fleet.select().sites, Wanted(since=before, to=after))
        then, _ = compare_kept(fleet, fleet.select().sites, Wanted(to=before, baseline="sim-0002"))
    assert [(item.item, item.gaps[0].sites) for item in comparison.items] == [
        ("Planning/Roads.MapServer", ("sim-0002", "sim-0003")),
        ("Planning/Trees.MapServer", ("sim-0004",)),
    ]
    assert [step["path"] for step in comparison.items[0].gaps[0].steps] == ["/properties/filePath"], (
        "a path counts here"
    )
    assert kept.to_dict() == comparison.to_dict(), "what is kept says the same as the sites"
    assert [outcome.outcome for outcome in report.outcomes] == ["ok"] * 5 + ["skipped"]
    assert [(item.item, item.gaps[0].sites) for item in then.items] == [("Planning/Roads.MapServer", ("sim-0001",))]


async def test_what_could_not_be_read_is_no_difference(alike: Simulator, inventory: Path) -> None:
    alike.sites["sim-0002"].fault("http-503")
    comparison, report = await compared(inventory)
    assert comparison.items == ()
    assert [outcome.outcome for outcome in report.outcomes] == ["ok", "failed", "ok", "ok", "ok", "ok"]


async def test_the_users_masks_leave_members_out(alike: Simulator, inventory: Path) -> None:
    service(alike, "sim-0001").definition["maxWaitTime"] = 90
    service(alike, "sim-0002").definition["properties"]["maxRecordCount"] = "5"
    first, _ = await compared(inventory, Wanted(patterns=("maxWaitTime",)))
    assert [gap.sites for item in first.items for gap in item.gaps] == [("sim-0002",)]
    second, _ = await compared(inventory, Wanted(patterns=("/services/*/maxWaitTime", "/services/**/maxRecordCount")))
    assert second.items == ()
    inventory.write_text('mask = { paths = ["maxWaitTime", "maxRecordCount"] }\n' + inventory.read_text())
    done = await fleet("diff", "-i", str(inventory), "-o", "table")
    assert (done.returncode, "nothing differs from what most sites have" in done.stdout) == (0, True), done.stderr


# The command


async def test_the_command_in_every_format(alike: Simulator, inventory: Path) -> None:
    for name in ("sim-0001", "sim-0002"):
        service(alike, name).definition["description"] = "=HYPERLINK(1)\x1b[31m|x"
    common = ("diff", "services", "-i", str(inventory))
    table = await fleet(*common, "-o", "table")
    assert table.returncode == 1
    assert "2 of 6 sites: sim-[0001-0002] (those in group north)" in table.stdout
    assert "description" in table.stdout
    assert "\x1b" not in table.stdout
    assert "1 item on 2 of 6 sites differs from what most sites have" in table.stdout
    told = json.loads((await fleet(*common, "-o", "json")).stdout)
    (item,) = told["merged"]["items"]
    assert [(group["count"], group["reference"]) for group in item["groups"]] == [(4, True), (2, False)]
    assert item["groups"][1]["diff"] == [{"op": "add", "path": "/description", "new": "=HYPERLINK(1)\x1b[31m|x"}] or (
        item["groups"][1]["diff"][0]["op"] == "change"
    )
    assert {outcome["value"]["differences"] for outcome in told["outcomes"]} == {0, 1}
    lines = await fleet(*common, "-o", "ndjson")
    by_site = outcomes_of(lines)
    assert len(by_site) == 6
    assert by_site["sim-0001"]["value"]["differences"][0]["item"] == "Planning/Roads.MapServer"
    assert by_site["sim-0003"]["value"]["differences"] == []
    rows = list(csv.DictReader(io.StringIO((await fleet(*common, "-o", "csv")).stdout)))
    assert [(row["item"], row["path"], row["sites"], row["explained"]) for row in rows] == [
        ("Planning/Roads.MapServer", "/description", "sim-0001,sim-0002", "group north")
    ]
    assert rows[0]["new"].startswith("'=")
    markdown = await fleet(*common, "-o", "markdown")
    assert markdown.stdout.startswith("| what | item |")


async def test_the_status_tells_a_difference_from_none(alike: Simulator, inventory: Path) -> None:
    common = ("diff", "services", "site", "-i", str(inventory), "-q", "-o", "json")
    assert (await fleet(*common)).returncode == 0
    for arguments, sentence in (
        (
            ("--baseline", "nobody"),
            "there is no site 'nobody' to compare with, and as a snapshot: there is no snapshot",
        ),
        (("--from", "latest"), "there is no snapshot yet"),
        (("--baseline", "sim-0001", "--from", "latest"), "exclude each other"),
        (("--mask", "a", "--no-mask"), "exclude each other"),
    ):
        done = await fleet(*common, *arguments)
        assert done.returncode == 2
        assert sentence in clean(done.stderr)
    saved = await fleet("snapshot", "save", "-i", str(inventory), "--name", "before", "-o", "json", "-q")
    assert saved.returncode == 0, saved.stderr
    kept = json.loads(saved.stdout)["merged"]["snapshot"]
    assert kept["name"] == "before"
    assert (await fleet(*common, "--from", "before")).returncode == 0
    service(alike, "sim-0002").definition["minInstancesPerNode"] = 2
    for arguments in (("--from", "before"), ("--baseline", "before"), ("--baseline", kept["id"]), ("--from", "0s"), ()):
        done = await fleet(*common, *arguments)
        assert done.returncode == 1, (arguments, done.stderr)
    asked = len(alike.ledger)
    assert (await fleet(*common, "--from", "before", "--to", "latest")).returncode == 0
    assert (await fleet(*common, "--to", "before")).returncode == 0
    assert len(alike.ledger) == asked, "nothing is sent where both are snapshots"
    alike.sites["sim-0001"].fault("http-503")
    assert (await fleet(*common, "--baseline", "sim-0001", "-s", "sim-0003")).returncode == 1
    thin = await fleet(*common, "--require-coverage", "100%", "-s", "sim-0003")
    assert thin.returncode == 0


async def test_snapshots_are_listed_and_shown(alike: Simulator, inventory: Path) -> None:
    alike.sites["sim-0003"].fault("http-503")
    saved = await fleet("snapshot", "save", "-i", str(inventory), "-o", "table")
    assert saved.returncode == 1
    assert "6 sites answered" in saved.stdout
    listed = json.loads((await fleet("snapshot", "list", "-o", "json")).stdout)
    assert [one["coverage"]["selected"] for one in listed] == [6]
    table = await fleet("snapshot", "list", "-o", "table")
    assert listed[0]["id"] in table.stdout
    shown = json.loads((await fleet("snapshot", "show", "latest", "-o", "json")).stdout)
    assert [site["outcome"] for site in shown["sites"]] == ["ok", "ok", "failed", "ok", "ok", "ok"]
    pieces = json.loads((await fleet("snapshot", "show", "latest", "sim-0001", "-o", "json")).stdout)
    assert {piece["state"] for piece in pieces} == {"kept"}
    one = await fleet("snapshot", "show", "latest", "sim-0001", "services/definition/Planning/Roads.MapServer")
    assert json.loads(one.stdout)["serviceName"] == "Roads"
    some = json.loads((await fleet("snapshot", "show", "latest", "sim-0001", "system")).stdout)
    assert {"system/licenses", "system/directories"} <= set(some)
    for arguments in (("nothing",), ("latest", "nobody"), ("latest", "sim-0001", "nowhere")):
        done = await fleet("snapshot", "show", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert clean(done.stderr)
    pruned = await fleet("snapshot", "prune", "--keep", "0", "--dry-run", "-o", "json")
    assert [one["id"] for one in json.loads(pruned.stdout)["removed"]] == [listed[0]["id"]]
    assert len(json.loads((await fleet("snapshot", "list", "-o", "json")).stdout)) == 1
    assert (await fleet("snapshot", "prune", "--keep", "0", "-q", "-o", "json")).returncode == 0
    assert json.loads((await fleet("snapshot", "list", "-o", "json")).stdout) == []


async def test_each_directory_user_and_web_adaptor_is_an_item_of_its_own(alike: Simulator, inventory: Path) -> None:
    state = alike.sites["sim-0004"].state
    state.directories["arcgisjobs"]["cleanupMode"] = "TIME_ELAPSED_SINCE_LAST_MODIFIED"
    state.users["ann"] = {"username": "ann", "fullname": "", "description": "", "email": "", "disabled": False}
    comparison, _ = await compared(inventory)
    assert [
        (item.what, item.item, [dict(step)["path"] for step in item.gaps[0].steps]) for item in comparison.items
    ] == [
        ("security", "users/ann", [""]),
        ("system", "directories/arcgisjobs", ["/cleanupMode"]),
    ]
    masked, _ = await compared(
        inventory, Wanted(patterns=("/system/directories~1arcgisjobs/cleanupMode", "/security/**"))
    )
    assert masked.items == ()
