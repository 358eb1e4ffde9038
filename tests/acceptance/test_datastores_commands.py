"""`fleet datastores` as it is used: what is listed and checked, and what a moved database needs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio.to_thread

from fleet.simulator import Simulator
from tests.acceptance.terminals import Terminal
from tests.processes import fleet, outcomes_of

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

GIS = "/enterpriseDatabases/gis"


def database(path: str = GIS, server: str = "db1", references: int = 0, **more: Any) -> dict[str, Any]:
    text = f"SERVER={server};INSTANCE=sde:postgresql:{server};DATABASE=gis;USER=gisuser;ENCRYPTED_PASSWORD=00022e68c0de"
    info = {"isManaged": False, "dataStoreConnectionType": "shared", "connectionString": text, **more}
    return {"path": path, "type": "egdb", "id": "i7", "provider": None, "totalRefCount": references, "info": info}


def with_database(simulator: Simulator, **given: Any) -> None:
    for site in simulator.sites.values():
        item = database(**given)
        site.state.data_items = {"/fileShares/maps": site.state.data_items["/fileShares/maps"], item["path"]: item}


async def test_items_are_listed_without_passwords(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    with_database(simulator)
    inventory = str(write_inventory(simulator))

    for form in ("table", "json", "csv", "ndjson", "markdown"):
        arguments = ["datastores", "list", "-i", inventory, "-o", form, "--columns", "site,path,server,database,info"]
        result = await fleet(*arguments if form in ("table", "csv", "markdown") else arguments[:-2])

        assert result.returncode == 0
        assert "db1" in result.stdout
        assert "00022e68c0de" not in result.stdout + result.stderr

    result = await fleet("datastores", "list", "-i", inventory, "-o", "csv", "--where", "server=db1 and user=gis*")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(row["site"], row["path"]) for row in rows] == [("sim-0001", GIS), ("sim-0002", GIS)]


async def test_references_are_counted_where_they_are_asked_for(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    with_database(simulator, references=3)
    inventory = str(write_inventory(simulator))

    plain = await fleet("datastores", "list", "-i", inventory, "-o", "csv")
    counted = await fleet("datastores", "references", GIS, "-i", inventory, "-o", "csv")

    assert "totalRefCount" not in plain.stdout.splitlines()[0]
    (row,) = csv.DictReader(io.StringIO(counted.stdout))
    assert (row["path"], row["totalRefCount"]) == (GIS, "3")


async def test_an_item_that_one_machine_does_not_reach_fails_with_its_name(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=3, machines=2, faults={"sim-0002": "data-broken", "sim-0003": "data-broken"})
    simulator.sites["sim-0003"].switches.set("validation-details", "true")
    inventory = str(write_inventory(simulator))

    result = await fleet("datastores", "validate", "-i", inventory, "-o", "csv")
    good = await fleet("datastores", "validate", "-i", inventory, "-s", "sim-0001")

    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert result.returncode == 1
    assert {row["state"] for row in rows if row["site"] == "sim-0001"} == {"passed"}
    for name in ("sim-0002", "sim-0003"):
        site = simulator.sites[name]
        told = [(row["path"], row["state"], row["machine"]) for row in rows if row["site"] == name]
        assert ("/fileShares/maps", "failed", list(site.state.machines)[-1]) in told
        assert {path for path, _, _ in told} == set(site.state.data_items)
    assert good.returncode == 0
    assert not any(entry.changed for entry in simulator.ledger if entry.operation != "generateToken")


async def test_a_moved_database_is_repointed_on_every_site(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=2)
    with_database(simulator)
    inventory = str(write_inventory(simulator))
    command = ["datastores", "repoint", "/enterpriseDatabases/*", "--set", "server=db2", "-i", inventory, "-s", "all"]

    dry = await fleet(*command, "--dry-run", "-o", "json")
    done = await fleet(*command, "--yes", "-o", "ndjson")
    again = await fleet(*command, "--yes", "-o", "ndjson")

    (change,) = json.loads(dry.stdout)["outcomes"][0]["value"]["changes"]
    assert change["old"] == {"server": "db1", "instance": "sde:postgresql:db1"}
    assert change["new"] == {"server": "db2", "instance": "sde:postgresql:db2"}
    assert {one["outcome"] for one in outcomes_of(done).values()} == {"changed"}
    assert all("verified" not in one for one in outcomes_of(done).values())
    for site in simulator.sites.values():
        text = site.state.data_items[GIS]["info"]["connectionString"]
        assert "SERVER=db2;" in text
        assert "ENCRYPTED_PASSWORD=00022e68c0de" in text
    assert {one["outcome"] for one in outcomes_of(again).values()} == {"noop"}
    kept = (tmp_path / "state" / "audit.jsonl").read_text()
    assert "db2" in kept
    assert "00022e68c0de" not in kept + dry.stdout + done.stdout


async def test_a_new_password_is_sent_and_never_seen(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    secret = 'Wörd "with" = signs & more'
    simulator = await simulate(sites=1)
    with_database(simulator)
    inventory = str(write_inventory(simulator))
    command = ["datastores", "repoint", GIS, "--password-from", "env:NEW_ONE", "-i", inventory, "-s", "all", "--yes"]

    result = await fleet(*command, "-vv", env={"NEW_ONE": secret})
    wrong = await fleet(*[*command[:4], secret, *command[5:]])

    told = json.loads(result.stdout)["outcomes"][0]
    assert told["outcome"] == "changed"
    assert told["verified"] is False
    text = simulator.sites["sim-0001"].state.data_items[GIS]["info"]["connectionString"]
    assert text.endswith(f"PASSWORD={secret}")
    assert "ENCRYPTED" not in text
    kept = (tmp_path / "state" / "audit.jsonl").read_text()
    for where in (result.stdout, result.stderr, kept, wrong.stderr):
        assert secret not in where
        assert "signs & more" not in where
    assert wrong.returncode == 2


async def test_a_password_that_is_typed_is_not_seen(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    with_database(simulator)
    inventory = str(write_inventory(simulator))

    def talk() -> tuple[int, str]:
        command = ("datastores", "repoint", GIS, "--password-from", "prompt", "-i", inventory, "-s", "all")
        with Terminal(*command, columns=200) as terminal:
            terminal.wait_for("New password")
            terminal.type("typed-by-hand\r")
            terminal.wait_for("Repeat for confirmation")
            terminal.type("typed-by-hand\r")
            terminal.wait_for("Repoint 1 data item on 1 site?")
            terminal.type("y\r")
            return terminal.end(), "\n".join(terminal.lines)

    status, seen = await anyio.to_thread.run_sync(talk)

    assert status == 0
    assert "typed-by-hand" not in seen
    assert simulator.sites["sim-0001"].state.data_items[GIS]["info"]["connectionString"].endswith("=typed-by-hand")


async def test_the_new_place_is_checked_before_an_item_is_changed(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, faults={"sim-0001": "data-broken"})
    with_database(simulator)
    inventory = str(write_inventory(simulator))
    command = ["datastores", "repoint", GIS, "--set", "server=db2", "-i", inventory, "-s", "all", "--yes"]

    refused = await fleet(*command, "-o", "ndjson")
    before = simulator.sites["sim-0001"].state.data_items[GIS]["info"]["connectionString"]
    forced = await fleet(*command, "--no-validate", "-o", "ndjson")

    assert refused.returncode == 1
    assert "not accessible" in outcomes_of(refused)["sim-0001"]["error"]["message"]
    assert "SERVER=db1" in before
    assert outcomes_of(forced)["sim-0001"]["outcome"] == "changed"


async def test_what_is_masked_where_it_is_read_is_never_sent_back(simulate: Simulate, write_inventory: Write) -> None:
    """The administrator's password is masked in every answer, also where it is the name of a database."""
    simulator = await simulate(sites=1)
    with_database(simulator)
    info = simulator.sites["sim-0001"].state.data_items[GIS]["info"]
    info["connectionString"] = info["connectionString"].replace("DATABASE=gis", "DATABASE=simulated")
    inventory = str(write_inventory(simulator))

    result = await fleet(
        "datastores", "repoint", GIS, "--set", "server=db2", "-i", inventory, "-s", "all", "--yes", "-o", "ndjson"
    )

    assert result.returncode == 1
    assert "masked" in outcomes_of(result)["sim-0001"]["error"]["message"]
    assert "DATABASE=simulated" in info["connectionString"]
    assert "SERVER=db1" in info["connectionString"]


async def test_what_a_site_manages_itself_is_left_alone(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    with_database(simulator)
    simulator.sites["sim-0001"].state.data_items[GIS]["info"]["isManaged"] = True
    after = ["-i", str(write_inventory(simulator)), "-s", "all", "--yes", "-o", "ndjson"]

    moved = await fleet("datastores", "repoint", GIS, "--set", "server=db2", *after)
    given_up = await fleet("datastores", "unregister", GIS, *after)
    meant = await fleet("datastores", "repoint", GIS, "--set", "server=db2", "--managed", *after)

    for result in (moved, given_up):
        assert outcomes_of(result)["sim-0001"]["outcome"] == "noop"
        assert "manages it itself" in result.stdout
    assert outcomes_of(meant)["sim-0001"]["outcome"] == "changed"


async def test_an_item_in_use_is_given_up_by_force_only(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    with_database(simulator)
    simulator.sites["sim-0002"].state.data_items[GIS]["totalRefCount"] = 4
    inventory = str(write_inventory(simulator))
    command = ["datastores", "unregister", GIS, "-i", inventory, "-s", "all", "--yes", "-o", "ndjson"]

    first = await fleet(*command)
    second = await fleet(*command, "--force", "--ignore-not-found")

    told = outcomes_of(first)
    assert (told["sim-0001"]["outcome"], told["sim-0002"]["outcome"]) == ("changed", "failed")
    assert "4 services use it" in told["sim-0002"]["error"]["message"]
    assert first.returncode == 1
    assert second.returncode == 0
    assert all(GIS not in site.state.data_items for site in simulator.sites.values())


async def test_an_item_is_registered_from_a_file_once(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=2)
    inventory = str(write_inventory(simulator))
    file = tmp_path / "gis.toml"
    file.write_text(
        f'path = "{GIS}"\ntype = "egdb"\n[info]\ndataStoreConnectionType = "shared"\n'
        'connectionString = "SERVER=db1;DATABASE=gis;USER=gisuser"\n',
        encoding="utf-8",
    )
    command = ["datastores", "register", "--from", str(file), "-i", inventory, "-s", "all", "--yes", "-o", "ndjson"]

    first = await fleet(*command, "--password-from", "env:DB", env={"DB": "s3cret-db-word"})
    second = await fleet(*command, "--password-from", "env:DB", env={"DB": "s3cret-db-word"})
    for site in simulator.sites.values():
        site.state.data_items[GIS]["info"]["connectionString"] = "SERVER=db9;DATABASE=gis;USER=gisuser"
    third = await fleet(*command)

    assert {one["outcome"] for one in outcomes_of(first).values()} == {"changed"}
    assert {one["outcome"] for one in outcomes_of(second).values()} == {"noop"}
    assert {one["outcome"] for one in outcomes_of(third).values()} == {"failed"}
    assert "other settings" in third.stdout
    assert "s3cret-db-word" not in first.stdout + first.stderr + second.stdout


async def test_a_file_with_a_password_must_be_one_s_own(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1)
    inventory = str(write_inventory(simulator))
    file = tmp_path / "item.json"
    text = "SERVER=db1;DATABASE=gis;USER=gis;PASSWORD=a-word-in-a-file"
    item = {"path": "/enterpriseDatabases/own", "type": "egdb", "info": {"connectionString": text}}
    file.write_text(json.dumps(item), encoding="utf-8")
    file.chmod(0o644)
    command = ["datastores", "register", "--from", str(file), "-i", inventory, "-s", "all", "--yes", "-o", "ndjson"]

    refused = await fleet(*command)
    file.chmod(0o600)
    done = await fleet(*command, "-vv")

    assert (refused.returncode, "chmod 600" in refused.stderr) == (2, True)
    assert outcomes_of(done)["sim-0001"]["outcome"] == "changed"
    kept = simulator.sites["sim-0001"].state.data_items["/enterpriseDatabases/own"]
    assert kept["info"]["connectionString"] == text
    audit = (tmp_path / "state" / "audit.jsonl").read_text()
    for shown in (refused.stderr, done.stdout, done.stderr, audit):
        assert "a-word-in-a-file" not in shown


async def test_what_can_not_be_is_told_before_anything_is_sent(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1)
    inventory = str(write_inventory(simulator))
    broken = tmp_path / "item.json"
    broken.write_text('{"path": "gis"}', encoding="utf-8")

    for arguments, told in (
        (["repoint", GIS, "-s", "all", "--yes"], "nothing to change"),
        (["repoint", GIS, "--set", "server", "-s", "all", "--yes"], "NAME=VALUE"),
        (["repoint", GIS, "--set", "password=x", "-s", "all", "--yes"], "--password-from"),
        (["list", "--where", "servr=db1"], "did you mean server"),
        (["unregister", GIS, "--yes"], "a change needs -s"),
        (["register", "--from", str(broken), "-s", "all", "--yes"], "an item needs a path"),
    ):
        result = await fleet("datastores", *arguments, "-i", inventory)

        assert (result.returncode, told in result.stderr) == (2, True), (arguments, result.stderr)
    assert simulator.ledger == []
