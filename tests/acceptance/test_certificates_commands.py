"""`fleet certificates` and `fleet licenses` as they are used: days over the fleet, files, passwords, exit status."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

import anyio.to_thread
import pytest

from fleet.simulator import Simulator
from tests.acceptance.terminals import Terminal
from tests.processes import fleet

pytest.importorskip("cryptography")
from tests.certificates import TestAuthority
from tests.liar import lying

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

PASSWORD = "opens-the-file"


async def test_what_ends_soon_decides_the_exit_status(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, machines=1)
    site = simulator.sites["sim-0002"]
    machine = next(iter(site.machines.values()))
    machine.certificates["soon"] = site.state.clock() + 20 * 86_400
    inventory = str(write_inventory(simulator))

    soon = await fleet("certificates", "list", "-i", inventory, "-o", "csv", "--within", "30d")
    later = await fleet("certificates", "list", "-i", inventory, "-o", "csv", "--within", "10d")
    used = await fleet("certificates", "list", "-i", inventory, "-o", "csv", "--within", "30d", "--in-use")
    licences = await fleet("licenses", "list", "-i", inventory, "-o", "csv", "--within", "5000d")

    rows = list(csv.DictReader(io.StringIO(soon.stdout)))
    assert (rows[0]["site"], rows[0]["aliasName"]) == ("sim-0002", "soon"), "the one that ends first is on top"
    assert [float(row["daysLeft"]) for row in rows] == sorted(float(row["daysLeft"]) for row in rows)
    assert [run.returncode for run in (soon, later, used, licences)] == [1, 0, 0, 1]
    assert {row["kind"] for row in csv.DictReader(io.StringIO(licences.stdout))} >= {"edition", "level", "extension"}


async def test_a_file_is_imported_with_its_password_from_a_prompt_a_variable_or_a_file(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1, machines=1)
    inventory = str(write_inventory(simulator))
    pfx = tmp_path / "new.pfx"
    pfx.write_bytes(TestAuthority().pfx("gis.example.net", 90, PASSWORD))
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD + "\n")
    secret.chmod(0o600)
    arguments = ["certificates", "import", str(pfx), "-i", inventory, "-s", "all"]

    def talk() -> tuple[int, list[str]]:
        with Terminal(*arguments, "--alias", "typed", columns=200) as terminal:
            terminal.wait_for("Password of")
            terminal.type(f"{PASSWORD}\r")
            terminal.wait_for("Import 1 certificate on 1 site?")
            terminal.type("y\r")
            return terminal.end(), terminal.lines

    status, lines = await anyio.to_thread.run_sync(talk)
    env = {**os.environ, "FILE_PASSWORD": PASSWORD}
    by_variable = await fleet(*arguments, "--alias", "env", "--password-from", "env:FILE_PASSWORD", "--yes", env=env)
    by_file = await fleet(*arguments, "--alias", "file", "--password-from", f"file:{secret}", "--yes")
    wrong = await fleet(
        *arguments, "--alias", "no", "--password-from", "env:FILE_PASSWORD", "--yes", env={**env, "FILE_PASSWORD": "x"}
    )
    silent = await fleet(*arguments, "--alias", "no", "--yes")

    assert [status, by_variable.returncode, by_file.returncode] == [0, 0, 0]
    assert [wrong.returncode, silent.returncode] == [2, 2]
    assert "can't be opened" in wrong.stderr
    assert "there is no terminal to ask on" in silent.stderr
    machine = next(iter(simulator.sites["sim-0001"].machines.values()))
    assert {"typed", "env", "file"} <= set(machine.certificates)
    assert "no" not in machine.certificates
    assert not any(PASSWORD in line for line in lines)
    assert PASSWORD not in by_variable.stdout + by_variable.stderr + by_file.stdout + by_file.stderr


async def test_signing_requests_are_written_to_files(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=2, machines=1)
    inventory = str(write_inventory(simulator))
    made = await fleet("certificates", "generate", "gis", "--validity", "30", "-i", inventory, "-s", "all", "--yes")
    asked = await fleet("certificates", "csr", "gis", "-i", inventory, "--out", str(tmp_path / "out"), "-o", "json")

    assert (made.returncode, asked.returncode) == (0, 0)
    files = sorted((tmp_path / "out").iterdir())
    assert [file.name for file in files] == [
        f"{name}-{next(iter(site.machines))}-gis.csr" for name, site in simulator.sites.items()
    ]
    assert all("CERTIFICATE REQUEST" in file.read_text() for file in files)


async def test_signing_requests_that_can_not_be_written_fail_their_sites_only(
    write_inventory: Write, tmp_path: Path
) -> None:
    names = ["a/b", "a_b", "../" * 20 + "etc", "x" * 600]
    async with lying() as liar:
        liar.answers["admin/machines"] = {"machines": [{"machineName": name} for name in names]}
        for name in names:
            path = f"admin/machines/{quote(name, safe='')}/sslcertificates/gis/generateCSR"
            liar.answers[path] = {"CSR": f"-----BEGIN CERTIFICATE REQUEST----- of {name}"}
        inventory = str(write_inventory(liar.inventory))
        folder = tmp_path / "deep" / "out"
        asked = ["certificates", "csr", "gis", "-i", inventory, "-o", "json", "--out"]

        done = await fleet(*asked, str(folder))
        (tmp_path / "file").write_text("in the way")
        refused = await fleet(*asked, str(tmp_path / "file" / "out"))

    assert done.returncode == 0, done.stderr
    files = sorted(folder.iterdir())
    assert sorted(file.read_text().partition(" of ")[2] for file in files) == sorted(names), "each has its own"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "file", "inventory.toml", "state"]
    assert refused.returncode == 1
    (outcome,) = json.loads(refused.stdout)["outcomes"]
    assert "can't be written" in outcome["error"]["message"]


async def test_what_a_client_sees_is_verified(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(
        sites=3, machines=1, tls=True, faults={"sim-0002": "cert-expired", "sim-0003": "cert-name"}
    )
    inventory = str(write_inventory(simulator))

    result = await fleet("certificates", "verify", "-i", inventory, "-o", "json", "--within", "10d")

    rows = {entry["site"]: entry["row"] for entry in json.loads(result.stdout)["merged"]["rows"]}
    assert {site: row["status"] for site, row in rows.items()} == {
        "sim-0001": "ok",
        "sim-0002": "critical",
        "sim-0003": "critical",
    }
    assert rows["sim-0001"]["chain"]
    assert result.returncode == 1
