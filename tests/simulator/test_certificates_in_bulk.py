"""Certificates in bulk: listed with their days, made, imported, switched as clients see it, and deleted."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread
import pytest

from fleet import Fleet
from fleet import admin as ops
from fleet.aggregate.where import parse
from fleet.audit import AuditLog, Origin
from fleet.bulk import Verb, change, plan
from fleet.bulk.certificate_files import read_certificate, read_pfx
from fleet.bulk.certificate_switch import Switch
from fleet.bulk.certificates import Delete, Generate, ImportRoot, ImportServer, ImportSigned
from fleet.bulk.machines import ChosenMachines
from fleet.client.settings import RetryPolicy
from fleet.errors import UsageError
from fleet.inventory.secrets import Secret
from fleet.outcome import Outcome
from fleet.rows.certificates import CERTIFICATES
from fleet.rows.table import EVERYTHING
from fleet.simulator import SimulatedSite, Simulator

pytest.importorskip("cryptography")
from tests.certificates import TestAuthority

Simulate = Callable[..., Awaitable[Simulator]]

PATIENCE = RetryPolicy(base=0.05, cap=0.1, settle=0.5, restart=5.0, lock_patience=0.5, breaker_pause=0.2)
ALL = ChosenMachines()
PASSWORD = "opens-the-file"


class Place:
    """A simulated site over TLS, an authority that clients trust beside the simulator's, and a fleet of the site."""

    def __init__(self, simulator: Simulator, folder: Path) -> None:
        self.simulator = simulator
        self.site: SimulatedSite = simulator.sites["sim-0001"]
        self.authority = TestAuthority()
        self.folder = folder
        assert simulator.ca_file is not None
        both = folder / "trusted.pem"
        both.write_bytes(simulator.ca_file.read_bytes() + self.authority.pem)
        self.inventory = folder / "inventory.toml"
        self.inventory.write_text(
            simulator.inventory_toml().replace(simulator.ca_file.as_posix(), both.as_posix()), encoding="utf-8"
        )

    def pfx(self, days: int = 90, hosts: tuple[str, ...] = ("localhost", "127.0.0.1")) -> Path:
        file = self.folder / f"server-{days}.pfx"
        file.write_bytes(self.authority.pfx("gis.example.net", days, PASSWORD, hosts))
        return file

    def importing(self, alias: str = "new", **options: Any) -> ImportServer:
        secret = Secret(PASSWORD)
        return ImportServer(ALL, alias, read_pfx(self.pfx(**options), secret), password=secret)

    async def change(self, *verbs: Verb) -> list[Outcome]:
        found = []
        async with Fleet.from_inventory(self.inventory, retry=PATIENCE) as fleet:
            for verb in verbs:
                report = await change(fleet.select("all"), verb)
                found.append(report.outcomes[0])
        return found

    async def shown(self) -> str:
        """SHA-256 of the certificate that a client sees."""
        port = urlsplit(self.site.url).port or 443
        pem = await anyio.to_thread.run_sync(lambda: ssl.get_server_certificate(("127.0.0.1", port)))
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


@pytest.fixture
async def place(simulate: Simulate, tmp_path: Path) -> Place:
    return Place(await simulate(sites=1, machines=1, tls=True), tmp_path)


async def test_every_certificate_is_a_row_with_its_days(simulate: Simulate, write_inventory: Any) -> None:
    for release in ("10.9.1", "11.3"):
        simulator = await simulate(sites=1, machines=2, release=release)
        site = simulator.sites["sim-0001"]
        first = next(iter(site.machines.values()))
        first.certificates["old"] = site.state.clock() - 3 * 86_400
        async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
            report = await fleet.select("all").run(lambda client: CERTIFICATES.read(client, EVERYTHING))

        rows = report.outcomes[0].value
        known = [(name, alias) for name, machine in site.machines.items() for alias in machine.certificates]
        assert [(row["machineName"], row["aliasName"]) for row in rows] == known
        assert {row["aliasName"] for row in rows if row["inUse"]} == {"selfsignedcertificate"}
        (old,) = (row for row in rows if row["aliasName"] == "old")
        assert old["daysLeft"] == pytest.approx(-3, abs=0.1)


async def test_a_certificate_is_imported_switched_to_and_seen_by_clients(place: Place) -> None:
    place.site.switches.restart_time = 0.6
    place.site.switches.cut_connections = frozenset({"machines.edit"})
    imported, again, switched, noop = await place.change(
        place.importing(), place.importing(), Switch(ALL, "new", wait=5.0), Switch(ALL, "NEW", wait=5.0)
    )

    assert [one.outcome for one in (imported, again, switched, noop)] == ["changed", "failed", "changed", "noop"]
    # Each file that is made has a key of its own: the second is another certificate under the same alias.
    assert "another certificate new" in again.error.message  # type: ignore[union-attr]
    assert "why" not in switched.value["changes"][0]
    (machine,) = place.site.machines.values()
    assert machine.alias == "new"
    assert await place.shown() == machine.details["new"].pair.facts().certificate.fingerprint(_sha256()).hex()


def _sha256() -> Any:
    from cryptography.hazmat.primitives import hashes

    return hashes.SHA256()


async def test_the_same_file_again_is_nothing_to_do(place: Place) -> None:
    verb = place.importing()

    first, second = await place.change(verb, verb)

    assert [first.outcome, second.outcome] == ["changed", "noop"]
    assert place.site.count("importExistingServerCertificate") == 1


async def test_a_switch_that_clients_refuse_is_no_success(place: Place) -> None:
    elsewhere = place.importing(hosts=("elsewhere.example",))

    _, switched = await place.change(elsewhere, Switch(ALL, "new", wait=2.0))

    assert switched.outcome == "verify_failed"
    assert "clients are shown new, and refuse it" in switched.error.message  # type: ignore[union-attr]


async def test_what_can_not_be_shown_or_has_ended_is_left_alone(place: Place) -> None:
    root = place.folder / "root.pem"
    root.write_bytes(place.authority.pem)
    ended = place.importing("ended", days=-5)
    outcomes = await place.change(
        ImportRoot(ALL, "root", read_certificate(root)),
        ended,
        Switch(ALL, "root"),
        Switch(ALL, "ended"),
        Switch(ALL, "nowhere"),
        Delete(ALL, "selfsigned*"),
    )

    assert [one.outcome for one in outcomes] == ["changed", "changed", "failed", "failed", "failed", "failed"]
    messages = [one.error.message for one in outcomes[2:]]  # type: ignore[union-attr]
    for message, part in zip(
        messages, ("without a key", "ended 5 days ago; --force", "has no certificate nowhere", "switch"), strict=True
    ):
        assert part in message
    assert place.site.count("edit") == 0


async def test_a_signing_request_comes_back_signed_and_is_shown(place: Place) -> None:
    (made,) = await place.change(Generate(ALL, "gis", "gis.example.net", {"validity": 30, "organization": "Example"}))
    machine = next(iter(place.site.machines))
    async with Fleet.from_inventory(place.inventory) as fleet:
        report = await fleet.select("all").run(ops.machines.certificate_csr(machine, "gis"))
    signed = place.folder / "gis.cer"
    signed.write_bytes(place.authority.answer(report.outcomes[0].value["CSR"]))
    verb = ImportSigned(ALL, "gis", read_certificate(signed))

    done, again, switched = await place.change(verb, verb, Switch(ALL, "gis", wait=5.0))

    assert [one.outcome for one in (made, done, again, switched)] == ["changed", "changed", "noop", "changed"]
    assert "verified" not in done.value["changes"][0], "its fingerprint tells that it is there"
    assert await place.shown() == read_certificate(signed).sha256


async def test_those_that_fit_a_pattern_and_a_condition_are_deleted(place: Place) -> None:
    machine = next(iter(place.site.machines.values()))
    for alias, days in (("gis-2023", -400), ("gis-2025", 300), ("other", -1)):
        machine.certificates[alias] = place.site.state.clock() + days * 86_400

    (deleted,) = await place.change(Delete(ALL, "gis-*", parse("daysLeft<0")))

    assert [one["item"] for one in deleted.value["changes"]] == [f"{machine.name}/gis-2023"]
    assert {"selfsignedcertificate", "gis-2025", "other"} <= set(machine.certificates)
    assert "gis-2023" not in machine.certificates


async def test_a_site_behind_something_else_says_that_its_clients_were_not_looked_at(
    simulate: Simulate, tmp_path: Path
) -> None:
    place = Place(await simulate(sites=1, machines=2, tls=True), tmp_path)
    second = list(place.site.machines)[1]

    imported, switched = await place.change(place.importing(), Switch(ChosenMachines((second,)), "new", wait=2.0))

    assert [imported.outcome, switched.outcome] == ["changed", "changed"]
    assert "is not looked at" in switched.value["changes"][0]["why"]


async def test_a_wrong_file_or_password_is_told_before_anything_is_sent(place: Place) -> None:
    file = place.pfx()
    with pytest.raises(UsageError, match="can't be opened"):
        read_pfx(file, Secret("another"))
    key = place.folder / "key.pem"
    key.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    with pytest.raises(UsageError, match="private key, which must not be sent"):
        read_certificate(key)
    empty = place.folder / "empty.cer"
    empty.write_bytes(b"")
    with pytest.raises(UsageError, match="is empty"):
        read_certificate(empty)
    with pytest.raises(UsageError, match="No such file"):
        read_certificate(place.folder / "nowhere.cer")


async def test_the_password_of_a_file_stands_nowhere(place: Place) -> None:
    file = place.folder / "audit.jsonl"
    verb = place.importing()
    async with Fleet.from_inventory(place.inventory, retry=PATIENCE) as fleet:
        with AuditLog(file, Origin.here("certificates.import", "all")) as audit:
            _, plans = await plan(fleet.select("all"), verb)
            report = await change(fleet.select("all"), verb, audit=audit)

    assert report.outcomes[0].outcome == "changed"
    told = file.read_text() + repr(plans) + repr(report) + repr(verb) + str(verb.parameters())
    assert "importExistingServerCertificate" in told
    assert PASSWORD not in told
