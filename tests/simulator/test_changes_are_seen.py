"""Changes of every kind on a simulated site: each is sent, seen in the state, and not sent again when it is so already."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from fleet import Fleet, ops
from fleet.admin.operation import Operation
from fleet.client.settings import RetryPolicy
from fleet.simulator import SimulatedSite, Simulator

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

PATIENCE = RetryPolicy(base=0.05, cap=0.1, settle=1.0, lock_patience=0.5)
DEFINITION = {"serviceName": "New", "type": "MapServer", "provider": "ArcObjects11"}
REPORT = {
    "reportname": "day",
    "since": "LAST_DAY",
    "queries": [{"resourceURIs": ["services/"], "metrics": ["RequestCount"]}],
}
STORE = {"path": "/fileShares/more", "type": "folder", "info": {"path": "/srv/maps"}}
OUT = {"physical_path": "/srv/out", "directory_type": "OUTPUT", "cleanup_mode": "NONE", "max_file_age": 0}

STEPS: Mapping[str, list[Operation[Any]]] = {
    "services": [
        ops.services.folder_create("Maps"),
        ops.services.folder_edit("Maps", "Maps of the town"),
        ops.services.create(DEFINITION, "Maps"),
        ops.services.permission_add("esriEveryone", allowed=False, service="Maps/New.MapServer"),
        ops.services.rename("Maps/New.MapServer", "Newer"),
        ops.services.stop_many(["Maps/Newer.MapServer"]),
        ops.services.start_many(["Maps/Newer.MapServer"]),
        ops.services.delete_many(["Maps/Newer.MapServer"]),
        ops.services.folder_delete("Maps"),
    ],
    "machines": [
        ops.machines.register("SECOND.EXAMPLE.NET", "https://second.example.net:6443/arcgis/admin"),
        ops.machines.certificate_generate("SECOND.EXAMPLE.NET", "new", "second.example.net", validity=30),
        ops.machines.use_certificate("SECOND.EXAMPLE.NET", "new"),
        ops.machines.certificate_import_root("SECOND.EXAMPLE.NET", "authority", b"bytes"),
        ops.machines.certificate_delete("SECOND.EXAMPLE.NET", "authority"),
        ops.machines.edit("SECOND.EXAMPLE.NET", socMaxHeapSize=128),
        ops.machines.rename("SECOND.EXAMPLE.NET", "THIRD.EXAMPLE.NET"),
        ops.machines.unregister("THIRD.EXAMPLE.NET"),
    ],
    "data": [
        ops.data.register(STORE),
        ops.data.edit("/fileShares/more", {**STORE, "info": {"path": "/srv/moved"}}),
        ops.data.unregister("/fileShares/more"),
        ops.data.config_update({"blockDataCopy": True}),
    ],
    "security": [
        ops.security.user_add("ann", "long-enough", email="ann@example.net"),
        ops.security.user_update("ann", fullname="Ann"),
        ops.security.role_add("editors", "who may edit"),
        ops.security.role_update("editors", "who may edit all"),
        ops.security.role_assign_privilege("editors", "PUBLISH"),
        ops.security.role_add_users("editors", ["ann"]),
        ops.security.role_remove_users("editors", ["ann"]),
        ops.security.user_assign_roles("ann", ["editors"]),
        ops.security.user_remove_roles("ann", ["editors"]),
        ops.security.role_remove("editors"),
        ops.security.user_remove("ann"),
        ops.security.config_update(HSTSEnabled=True, httpsProtocols="TLSv1.3"),
        ops.security.tokens_update({"properties": {"shortTimeout": "90"}}),
        ops.security.psa_disable(),
        ops.security.psa_enable(),
    ],
    "system": [
        ops.system.properties_update({"WebContextURL": "https://maps.example.net/arcgis"}),
        ops.system.directory_register("out", **OUT),
        ops.system.directory_edit("out", **{**OUT, "physical_path": "/srv/moved"}),
        ops.system.directory_unregister("out"),
        ops.system.config_store_edit("FILESYSTEM", "/srv/moved"),
        ops.system.services_directory_edit({"servicesDirEnabled": "false", "allowedOrigins": "https://a.example.net"}),
    ],
    "the rest": [
        ops.usage.add(REPORT),
        ops.usage.edit("day", {**REPORT, "since": "LAST_WEEK"}),
        ops.usage.delete("day"),
        ops.usage.settings_edit(enabled=True, sampling_interval=15, max_history=7),
        ops.logs.settings_edit(
            {"logLevel": "FINE", "logDir": "/srv/logs", "maxLogFileAge": 9, "maxErrorReportsCount": 3}
        ),
        ops.site.set_mode("READ_ONLY"),
        ops.site.set_mode("EDITABLE"),
    ],
}


@pytest.mark.parametrize("part", STEPS)
async def test_each_change_is_seen_and_the_same_again_is_none(
    simulate: Simulate, write_inventory: Write, part: str
) -> None:
    simulator = await simulate(sites=1, services=2, release="11.3")
    site = simulator.sites["sim-0001"]
    for switch in ("start-time", "stop-time"):
        site.switches.set(switch, "0")
    wrong = []
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        for operation in STEPS[part]:
            assert operation.read_back is not None
            outcome = (await fleet.select().run(operation)).outcomes[0].to_dict()
            if outcome["outcome"] != "changed" or "verified" in outcome:
                wrong.append((operation.name, outcome))
            if operation.read_back.whole:
                before = _changes(site)
                again = (await fleet.select().run(operation)).outcomes[0]
                if again.outcome != "noop" or _changes(site) != before:
                    wrong.append((operation.name, again.to_dict()))
    assert wrong == []


def _changes(site: SimulatedSite) -> int:
    return sum(1 for entry in site.requests() if entry.changed)


async def test_a_password_that_can_t_be_read_is_sent_though_the_rest_is_so(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        sites = fleet.select()
        assert (await sites.run(ops.security.user_add("ann", "long-enough"))).outcomes[0].outcome == "changed"
        changed = (await sites.run(ops.security.user_update("ann", password="longer-still"))).outcomes[0].to_dict()
        assert (changed["outcome"], changed["verified"]) == ("changed", False)
        assert site.tokens.accounts["ann"] == "longer-still"
        again = (await sites.run(ops.security.user_add("ann", "long-enough"))).outcomes[0]
        assert again.outcome == "failed"


async def test_a_change_of_which_a_part_can_t_be_read_is_unknown_when_its_answer_is_lost(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        sites = fleet.select()
        site.fault("lost-answer")
        outcome = (await sites.run(ops.security.user_add("ann", "long-enough"))).outcomes[0]
        assert outcome.outcome == "changed", "the user was not there before"
        outcome = (await sites.run(ops.security.user_update("ann", password="longer-still"))).outcomes[0]
        assert outcome.outcome == "unknown"
    assert len(site.requests("update")) == 1


async def test_a_file_is_sent_as_it_lies_on_the_disk(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=2)
    file = tmp_path / 'Vei og "bru" Ø.sd'
    size = 3_000_000
    file.write_bytes(b"0123456789" * (size // 10))
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        report = await fleet.select().run(ops.uploads.upload(file, "roads"))
        assert [outcome.outcome for outcome in report.outcomes] == ["changed", "changed"]
        for site in simulator.sites.values():
            (kept,) = site.state.uploads.values()
            assert kept["size"] == size
            assert kept["item"]["itemName"] == file.name
            assert kept["item"]["description"] == "roads"
        identity = report.outcomes[0].value["item"]["itemID"]
        assert (await fleet.select("sim-0001").run(ops.uploads.delete(identity))).outcomes[0].outcome == "changed"
        # With a token that is no longer taken nothing of it arrived: the file is read again from its begin.
        site = simulator.sites["sim-0002"]
        site.tokens.expire_all()
        assert (await fleet.select("sim-0002").run(ops.uploads.upload(file))).outcomes[0].outcome == "changed"
        assert [kept["size"] for kept in site.state.uploads.values()] == [size, size]


async def test_a_file_that_is_not_there_is_said_before_anything_is_sent(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        outcome = (await fleet.select().run(ops.uploads.upload(tmp_path / "none.sd"))).outcomes[0].to_dict()
    assert "none.sd can't be read: No such file" in outcome["error"]["message"]
    assert simulator.sites["sim-0001"].requests("upload") == []


async def test_a_file_of_more_than_the_limit_is_not_sent(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1)
    file = tmp_path / "large.sd"
    with file.open("wb") as sparse:
        sparse.truncate(4 * 1024**3 + 1)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        outcome = (await fleet.select().run(ops.uploads.upload(file))).outcomes[0].to_dict()
    assert outcome["error"]["kind"] == "too_large"
    assert "4 GiB" in outcome["error"]["message"]
    assert simulator.sites["sim-0001"].requests("upload") == []


async def test_what_is_not_there_is_not_taken_for_deleted(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        for operation in (
            ops.services.delete("Nowhere.MapServer"),
            ops.machines.unregister("NOBODY"),
            ops.security.user_remove("nobody"),
            ops.usage.delete("nothing"),
        ):
            outcome = (await fleet.select().run(operation)).outcomes[0]
            assert outcome.outcome == "failed", operation.name


async def test_log_settings_that_are_sent_back_as_they_were_told_leave_the_metering_on(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, services=2, release="11.3")
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        told = (await fleet.select().run(ops.logs.settings())).outcomes[0].value["settings"]
        assert told["usageMeteringEnabled"] is True
        await fleet.select().run(ops.logs.settings_edit({**told, "logLevel": "FINE"}))
        after = (await fleet.select().run(ops.logs.settings())).outcomes[0].value["settings"]
    assert after == {**told, "logLevel": "FINE"}
