"""`fleet call` knows the parameters of an operation: what is wrong is said before anything is sent."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fleet.simulator import Simulator
from tests.processes import fleet

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

LOGS = ["-p", "logDir=/l", "-p", "maxErrorReportsCount=3"]
CHANGE = ["--change", "--yes", "-s", "all"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["admin/mode/update", "-p", "siteMode=READONLY"],
            "siteMode is one of READ_ONLY, EDITABLE; did you mean READ_ONLY?",
        ),
        (["admin/mode/update", "-p", "siteMode=editable"], "did you mean EDITABLE?"),
        (["admin/mode/update", "-p", "siteMode=EDITABLE", "-p", "runAsync=yes"], "runAsync is true or false"),
        (
            ["admin/mode/update", "-p", "siteMode=EDITABLE", "-p", "runAsnyc=true"],
            "mode.update has no parameter runAsnyc; did you mean runAsync?",
        ),
        (["admin/logs/clean", "-p", "days=3"], "logs.clean has no parameter days; it has none"),
        (
            ["admin/logs/settings/edit", *LOGS, "-p", "logLevel=FINE", "-p", "maxLogFileAge=9 days"],
            "maxLogFileAge is a whole number (days)",
        ),
        (["admin/services/createService", "-p", "service={'a': 1}"], "service is JSON, and this is none"),
        (["admin/services/createService", "-p", "service="], None),
        (["admin/uploads/i1/commit"], "the shape of uploads.commit is a guess that nobody has confirmed"),
        (["admin/uploads/upload"], "needs itemFile: give -p itemFile=@PATH"),
        (["admin/uploads/upload", "-p", "itemFile=roads.sd"], "itemFile is a file: write -p itemFile=@PATH"),
        (["admin/uploads/upload", "-p", "itemFile=@none.sd"], "the file none.sd can't be read"),
    ],
)
async def test_a_change_with_wrong_parameters_is_not_sent(
    simulator: Simulator, write_inventory: Write, arguments: list[str], sentence: str | None
) -> None:
    done = await fleet("call", *arguments, *CHANGE, "-i", str(write_inventory(simulator)))
    if sentence is None:
        assert done.returncode == 1, "an empty value is left to the site"
        return
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stdout == ""
    assert simulator.ledger == []


async def test_all_that_is_wrong_is_said_at_once(simulator: Simulator, write_inventory: Write) -> None:
    arguments = ["-p", "logLevel=LOUD", "-p", "maxLogFileAge=x", "-p", "logsDir=/l"]
    done = await fleet("call", "admin/logs/settings/edit", *arguments, *CHANGE, "-i", str(write_inventory(simulator)))
    assert done.returncode == 2
    for sentence in (
        "needs logDir, maxErrorReportsCount",
        "logLevel is one of",
        "maxLogFileAge is a",
        "did you mean logDir?",
    ):
        assert sentence in done.stderr
    assert done.stderr.count("--force") == 1


async def test_force_sends_it_anyway(simulator: Simulator, write_inventory: Write) -> None:
    done = await fleet(
        "call", "admin/logs/clean", "-p", "days=3", "--force", *CHANGE, "-i", str(write_inventory(simulator))
    )
    assert done.returncode == 0
    assert [entry.params["days"] for entry in simulator.ledger if entry.operation == "clean"] == ["3"] * len(
        simulator.sites
    )


async def test_an_unknown_parameter_of_a_read_is_a_warning_and_a_wrong_value_an_error(
    simulator: Simulator, write_inventory: Write
) -> None:
    path = str(write_inventory(simulator))
    done = await fleet("call", "admin/services", "-p", "detailz=true", "-s", "sim-0001", "-i", path)
    assert done.returncode == 0
    assert "services has no parameter detailz; did you mean detail?" in done.stderr
    quiet = await fleet("call", "admin/services", "-p", "detailz=true", "-s", "sim-0001", "-i", path, "-q")
    assert "detailz" not in quiet.stderr
    sent = len(simulator.ledger)
    for wrong in ("detail=1", "detail=True"):
        refused = await fleet("call", "admin/services", "-p", wrong, "-s", "sim-0001", "-i", path)
        assert (refused.returncode, "detail is true or false" in refused.stderr) == (2, True)
    refused = await fleet("call", "admin/services/report", "-p", 'parameters={"a": 1}', "-i", path)
    assert (refused.returncode, "parameters is a JSON list" in refused.stderr) == (2, True)
    refused = await fleet("call", "admin/logs/query", "-p", "startTime=yesterday", "-i", path)
    assert (refused.returncode, "startTime is a time" in refused.stderr) == (2, True)
    assert len(simulator.ledger) == sent


async def test_names_are_spelt_as_the_operation_spells_them(simulator: Simulator, write_inventory: Write) -> None:
    arguments = ["-p", "SITEMODE=READ_ONLY", *CHANGE, "-o", "json"]
    done = await fleet("call", "admin/mode/update", *arguments, "-i", str(write_inventory(simulator)))
    assert done.returncode == 0, done.stderr
    assert {outcome["outcome"] for outcome in json.loads(done.stdout)["outcomes"]} == {"changed"}
    assert "verified" not in json.loads(done.stdout)["outcomes"][0]


async def test_a_file_is_uploaded_and_on_record_by_its_name(
    simulator: Simulator, write_inventory: Write, tmp_path: Path
) -> None:
    file = tmp_path / "roads.sd"
    file.write_bytes(b"\x00PASSWORD=hidden\xff" * 1000)
    arguments = ["-p", f"itemFile=@{file}", "-p", "description=roads", "--change", "--yes", "-s", "sim-0001", "--trace"]
    done = await fleet("call", "admin/uploads/upload", *arguments, "-o", "json", "-i", str(write_inventory(simulator)))
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)["outcomes"][0]["value"]
    assert value["item"]["itemName"] == "roads.sd"
    (kept,) = simulator.sites["sim-0001"].state.uploads.values()
    assert kept["size"] == file.stat().st_size
    assert "> itemFile: the file 'roads.sd'" in done.stderr
    audit = (Path(os.environ["FLEET_STATE_DIR"]) / "audit.jsonl").read_text()
    assert "roads.sd" in audit
    assert "hidden" not in audit + done.stderr


async def test_a_change_that_a_release_lacks_is_not_sent_and_the_release_that_has_it_is_told(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, release="10.5.1")
    inventory = str(write_inventory(simulator))
    key = next(iter(simulator.sites["sim-0001"].services))
    change = ["call", f"admin/services/{key}/changeProvider", "-p", "provider=DMaps", *CHANGE, "-i", inventory]
    for more in ([], ["--dry-run"]):
        done = await fleet(*change, *more, "-o", "json")
        assert done.returncode == 1
        (outcome,) = json.loads(done.stdout)["outcomes"]
        assert outcome["error"]["kind"] == "not_found"
        assert "release 10.5.1 has no services.changeProvider, which came with 10.7" in outcome["error"]["message"]
    assert [entry for entry in simulator.ledger if entry.operation == "changeProvider"] == []
    await fleet(*change, "--force")
    assert [entry.code for entry in simulator.ledger if entry.operation == "changeProvider"] == [404]


async def test_a_read_that_a_release_lacks_is_explained(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, release="10.5.1", machines=1)
    machine = next(iter(simulator.sites["sim-0001"].machines))
    inventory = str(write_inventory(simulator))
    done = await fleet("call", f"admin/machines/{machine}/hardware", "-i", inventory, "-o", "json")
    assert done.returncode == 1
    (outcome,) = json.loads(done.stdout)["outcomes"]
    assert "release 10.5.1 has no machines.hardware, which came with 10.6.1" in outcome["error"]["message"]
    unknown = await fleet("call", "admin/machines/NOBODY/status", "-i", inventory, "-o", "json")
    assert "release" not in json.loads(unknown.stdout)["outcomes"][0]["error"]["message"]
