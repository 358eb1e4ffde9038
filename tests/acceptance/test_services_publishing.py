"""Publishing, jobs and uploads as they are used."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fleet.simulator import Simulator
from fleet.simulator.gpjobs import new_job
from tests.processes import fleet

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


def changes(text: str) -> dict[str, list[dict[str, Any]]]:
    return {one["site"]: one["value"]["changes"] for one in json.loads(text)["outcomes"]}


async def test_a_definition_is_published_on_every_site_and_its_upload_deleted(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=2)
    file = tmp_path / "Fire Hydrants.sd"
    file.write_bytes(bytes(range(256)) * 400)
    before = {site.name: set(site.state.uploads) for site in simulator.sites.values()}
    common = ("-i", str(write_inventory(simulator)), "-s", "all", "--yes", "-o", "json")

    dry = await fleet("services", "publish", str(file), "--folder", "Water", *common, "--dry-run")
    sent_dry = [entry.operation for entry in simulator.ledger if entry.changed]
    done = await fleet("services", "publish", str(file), "--folder", "Water", *common)
    again = await fleet("services", "publish", str(file), "--folder", "Water", *common)
    over = await fleet("services", "publish", str(file), "--folder", "Water", "--overwrite", *common)

    assert (dry.returncode, done.returncode, again.returncode, over.returncode) == (0, 0, 1, 0), done.stderr
    assert set(sent_dry) <= {"generateToken"}
    for site in simulator.sites.values():
        assert site.services["Water/Fire_Hydrants.MapServer"].real == "STARTED"
        assert set(site.state.uploads) == before[site.name]
    for (told,) in changes(done.stdout).values():
        assert told["outcome"] == "changed"
        assert told["messages"][0] == "published as Water/Fire_Hydrants.MapServer"
        assert told["messages"][-1] == "Succeeded."
    assert "there is a service Water/Fire_Hydrants.MapServer already" in again.stdout


async def test_a_publishing_tool_that_stands_is_told_before_anything_is_sent(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1)
    state = simulator.sites["sim-0001"].state
    tool = state.find("System", "PublishingTools", "GPServer") or state.add_service(
        "System", "PublishingTools", "GPServer"
    )
    tool.configured = tool.real = "STOPPED"
    file = tmp_path / "A.sd"
    file.write_bytes(b"x")

    result = await fleet(
        "services", "publish", str(file), "-i", str(write_inventory(simulator)), "-s", "all", "--yes", "-o", "json"
    )

    assert result.returncode == 1
    assert "System/PublishingTools.GPServer, which publishes, is STOPPED" in result.stdout
    assert not any(entry.operation == "upload" for entry in simulator.ledger)


async def test_jobs_are_listed_cancelled_and_purged(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, release="11.3")
    state = simulator.sites["sim-0001"].state
    service = state.add_service("Tools", "Export", "GPServer")
    state.folder_names.setdefault("Tools", "")
    service.jobs.clear()
    for status in ("esriJobExecuting", "esriJobWaiting", "esriJobWaiting", "esriJobSucceeded"):
        service.jobs.append(new_job(state, service, status, 60, "batch"))
    state.kept.setdefault("gp_filled", set()).add(service.origin)
    running = service.jobs[0]["jobId"]
    inventory = str(write_inventory(simulator))
    common = ("-i", inventory, "-s", "all", "--yes", "-o", "json")

    listed = await fleet("services", "jobs", "list", service.key, "-i", inventory, "-o", "csv")
    cancelled = await fleet("services", "jobs", "cancel", service.key, "--job", running, *common)
    purged = await fleet("services", "jobs", "purge", service.key, *common)
    nothing = await fleet("services", "jobs", "cancel", service.key, *common)
    unknown = await fleet("services", "jobs", "cancel", service.key, "--job", "j-none", *common)

    rows = list(csv.DictReader(io.StringIO(listed.stdout)))
    assert sorted(row["jobStatus"] for row in rows) == sorted(
        ["esriJobExecuting", "esriJobWaiting", "esriJobWaiting", "esriJobSucceeded"]
    )
    assert {row["userName"] for row in rows} == {"batch"}
    assert (cancelled.returncode, purged.returncode, nothing.returncode) == (0, 0, 2), cancelled.stdout
    assert (unknown.returncode, "j-none fits no job of sim-0001; nothing was sent" in unknown.stderr) == (2, True)
    assert [job["status"] for job in service.jobs] == ["esriJobCancelled"] * 3 + ["esriJobSucceeded"]
    assert changes(purged.stdout)["sim-0001"][0]["old"] == {"waiting": 2}


async def test_uploads_are_listed_and_old_ones_deleted(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    state = simulator.sites["sim-0001"].state
    state.uploads.clear()
    for name, age in (("old.sd", 40), ("new.sd", 1), ("old.zip", 40)):
        item = state.new_upload(name, None, committed=True)
        item["date"] = round((time.time() - age * 86_400) * 1000)
        state.uploads[item["itemID"]] = {"item": item, "size": 1, "data": b"x"}
    inventory = str(write_inventory(simulator))
    common = ("-i", inventory, "-s", "all", "--yes", "-o", "json")

    listed = await fleet("uploads", "list", "-i", inventory, "-o", "csv")
    deleted = await fleet("uploads", "delete", "*.sd", "--older-than", "30d", *common)
    missing = await fleet("uploads", "delete", "i-none", *common)
    nothing = await fleet("uploads", "delete", "*.none", *common)

    assert {row["itemName"] for row in csv.DictReader(io.StringIO(listed.stdout))} == {"old.sd", "new.sd", "old.zip"}
    assert deleted.returncode == 0, deleted.stdout
    assert {kept["item"]["itemName"] for kept in state.uploads.values()} == {"new.sd", "old.zip"}
    assert (missing.returncode, "there is no upload i-none" in missing.stdout) == (1, True)
    assert (nothing.returncode, "*.none fits no upload of sim-0001; nothing was sent" in nothing.stderr) == (2, True)


async def test_all_definitions_of_a_folder_are_published(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1)
    folder = tmp_path / "definitions"
    folder.mkdir()
    common = ("-i", str(write_inventory(simulator)), "-s", "all", "--yes", "-o", "json")

    empty = await fleet("services", "publish", str(folder), *common)
    for name in ("One.sd", "Two.sd", "notes.txt"):
        (folder / name).write_bytes(b"x")
    done = await fleet("services", "publish", str(folder), *common)

    assert (empty.returncode, "there is no .sd file" in empty.stderr) == (2, True)
    assert done.returncode == 0, done.stdout
    assert [one["item"] for one in changes(done.stdout)["sim-0001"]] == ["One.sd", "Two.sd"]
    assert {"One.MapServer", "Two.MapServer"} <= set(simulator.sites["sim-0001"].services)
