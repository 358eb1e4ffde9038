"""`fleet services permissions` and `manifest` as they are used: who may use what, and what uses which database."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fleet.simulator import Simulator
from fleet.simulator.permissions import permission
from tests.processes import fleet

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def may(simulator: Simulator, site: str, key: str) -> dict[str, bool]:
    return {one["principal"]: one["permission"]["isAllowed"] for one in simulator.sites[site].services[key].permissions}


async def test_services_that_are_open_to_everybody_are_found(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, services=4)
    site = simulator.sites["sim-0001"]
    own, inherited, closed, _ = site.services.values()
    for one in site.services.values():
        one.permissions = [permission("planners", True)]
    own.permissions = [permission("esriEveryone", True)]
    closed.permissions = [permission("esriEveryone", False)]
    site.state.kept["permissions"] = {
        folder: [permission("esriEveryone", folder == inherited.folder)] for folder in ("", *site.state.folder_names)
    }
    open_folder = {key for key, one in site.services.items() if one.folder == inherited.folder}

    result = await fleet(
        "services", "permissions", "list", "--everyone", "-i", str(write_inventory(simulator)), "-o", "csv"
    )

    found = {row["service"]: row["from"] for row in rows(result.stdout)}
    assert found.keys() == {own.key} | (open_folder - {closed.key})
    assert found[own.key] == "service"
    assert found[inherited.key] == ("folder" if inherited.folder else "root")


async def test_roles_are_let_in_and_out_and_copied_and_cleaned(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, services=3)
    key, other, _ = simulator.sites["sim-0001"].services
    common = ("-i", str(write_inventory(simulator)), "-s", "sim-0001", "--yes", "-o", "json")

    async def run(*arguments: str) -> dict[str, Any]:
        result = await fleet("services", "permissions", *arguments, *common)
        assert result.returncode == 0, result.stderr
        report: dict[str, Any] = json.loads(result.stdout)
        return report

    added = await run("add", "planners", key)
    again = await run("add", "planners", key)
    await run("remove", "esriEveryone", key, "--folder", "/")
    assert may(simulator, "sim-0001", key) == {"esriEveryone": False, "planners": True}
    await run("copy", "--from-role", "planners", "--to-role", "editors", "*")
    assert may(simulator, "sim-0001", key)["editors"] is True
    assert "editors" not in may(simulator, "sim-0001", other)
    cleaned = await run("clean", "esriEveryone")

    assert [outcome["outcome"] for outcome in added["outcomes"]] == ["changed"]
    assert added["outcomes"][0]["value"]["changes"][0]["old"] == {"isAllowed": None}
    assert [outcome["outcome"] for outcome in again["outcomes"]] == ["noop"]
    assert [outcome["outcome"] for outcome in cleaned["outcomes"]] == ["changed"]
    assert all("esriEveryone" not in may(simulator, "sim-0001", one) for one in simulator.sites["sim-0001"].services)
    assert all("esriEveryone" in may(simulator, "sim-0002", one) for one in simulator.sites["sim-0002"].services)


async def test_a_list_says_what_holds_and_a_wrong_line_sends_nothing(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=2, services=2)
    first, *_ = simulator.sites["sim-0001"].services
    second, *_ = simulator.sites["sim-0002"].services
    good = tmp_path / "good.csv"
    good.write_text(
        "site,service,role,allowed\n"
        f"sim-0001,{first},planners,true\nsim-0001,{first},esriEveryone,false\n"
        f"sim-0002,{second},editors,\n,/,planners,true\n"
    )
    common = ("-i", str(write_inventory(simulator)), "-s", "all", "--yes", "-o", "json")

    done = await fleet("services", "permissions", "add", "--from-file", str(good), *common)
    sent = len(simulator.ledger)

    assert done.returncode == 0, done.stderr
    assert may(simulator, "sim-0001", first) == {"planners": True, "esriEveryone": False}
    assert may(simulator, "sim-0002", second)["editors"] is True
    for text, told in (
        ("service,role\nNoType,x\n", "line 2: 'NoType' is no service"),
        ("service,role,allowed\nA.MapServer,x,perhaps\n", "line 2: allowed is true or false"),
        ("name,role\nA.MapServer,x\n", "must name the columns service and role"),
        ("service,role\n", "no line below"),
        ("service,role,allowed\nA.MapServer,x,true\nA.MapServer,x,false\n", "lets x use A.MapServer, and does not"),
    ):
        bad = tmp_path / "bad.csv"
        bad.write_text(text)
        result = await fleet("services", "permissions", "add", "--from-file", str(bad), *common)
        assert (result.returncode, told in result.stderr) == (2, True), (text, result.stderr)
    assert len(simulator.ledger) == sent


async def test_services_that_use_a_database_are_found_without_its_password(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, services=4)
    first, second, third, _ = simulator.sites["sim-0001"].services.values()
    told = "SERVER=db7;INSTANCE=sde:sqlserver:db7;DATABASE=gisdb;USER=editor;PASSWORD=geheim;VERSION=sde.DEFAULT"
    entry = {"byReference": True, "onServerConnectionString": told, "datasets": [{"onServerName": "gisdb.sde.ROADS"}]}
    first.manifest = {"databases": [entry], "resources": []}
    second.manifest = {"databases": [{**entry, "onServerConnectionString": f"DATABASE=/data/{second.name}.gdb"}]}
    third.manifest = {"resources": []}
    inventory = str(write_inventory(simulator))

    by_database = await fleet("services", "manifest", "--database", "GISDB", "-i", inventory, "-o", "csv")
    by_file = await fleet("services", "manifest", "--database", f"{second.name}.gdb", "-i", inventory, "-o", "csv")
    by_row = await fleet("services", "manifest", "--where", "user=editor", "-i", inventory, "-o", "json")
    broken = await fleet("services", "manifest", "--broken", third.key, "-i", inventory, "-o", "csv")

    (row,) = rows(by_database.stdout)
    assert (row["service"], row["dataset"], row["server"]) == (first.key, "gisdb.sde.ROADS", "db7")
    assert (row["user"], row["database"]) == ("editor", "gisdb")
    assert "PASSWORD=***" in row["connection"]
    assert "geheim" not in by_database.stdout + by_row.stdout
    assert [one["service"] for one in rows(by_file.stdout)] == [second.key]
    assert [one["problem"] for one in rows(broken.stdout)] == ["the manifest has no list of databases"]
