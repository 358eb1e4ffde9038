"""Snapshots of simulated sites: what is read, what is kept once, what is never kept, and what is told to be missing."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from fleet import Failed, Fleet, UsageError
from fleet.errors import LockHeld, StoreFailed
from fleet.simulator import Service, Simulator
from fleet.snapshots.collect import collect
from fleet.snapshots.comparing import Wanted, compare
from fleet.snapshots.export import export
from fleet.snapshots.records import Kept
from fleet.snapshots.store import Store
from fleet.snapshots.taking import save
from tests.liar import HONEST, lying
from tests.properties.test_snapshots_of_liars import MORE

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


async def saved(path: Path, store: Store, selection: str = "all", **options: Any) -> Kept:
    async with Fleet.from_inventory(path) as fleet:
        kept, _ = await save(fleet.select(selection), store=store, **options)
    assert kept is not None
    return kept


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "snapshots")


def bytes_of(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


async def test_everything_readable_is_kept_and_read_back(
    simulator: Simulator, write_inventory: Write, store: Store
) -> None:
    kept = await saved(write_inventory(simulator), store, name="first")
    records = store.sites(kept)
    assert list(records) == list(simulator.sites)
    for name, site in simulator.sites.items():
        record = records[name]
        assert (record.outcome, record.release, record.failed) == ("ok", "11.3", {})
        for service in site.state.services.values():
            assert store.load(record.pieces[f"services/definition/{service.key}"])["serviceName"] == service.name
            states = store.load(record.pieces[f"services/states/{service.folder or '-'}"])
            assert states[service.key] == {"configuredState": "STARTED", "realTimeState": "STARTED"}
        for machine in site.state.machines:
            certificates = store.load(record.pieces[f"machines/certificates/{machine}"])
            assert sorted(certificates) == sorted(site.state.machines[machine].certificates)
        for piece in ("system/licenses", "security/config", "logs/settings", "datastores/items", "uploads/items"):
            assert piece in record.pieces
    store.verify(kept)
    assert store.find("first") == store.find("latest") == store.find(kept.id) == store.find(kept.id[:12]) == kept
    assert kept.coverage == {"selected": 3, "answered": 3, "missing": {}}


async def test_the_same_state_again_takes_less_than_a_hundredth(
    simulate: Simulate, write_inventory: Write, store: Store
) -> None:
    simulator = await simulate(sites=12)
    path = write_inventory(simulator)
    first = await saved(path, store)
    size = len(bytes_of(store.folder / "packs")) + len(bytes_of(store.folder / "manifests"))
    for site in simulator.sites.values():
        for service in site.state.services.values():
            service.transactions += 1234
            service.busy = 1
    second = await saved(path, store)
    grown = len(bytes_of(store.folder / "packs")) + len(bytes_of(store.folder / "manifests")) - size
    assert second.id != first.id
    assert 0 < grown < size / 100
    assert second.written < first.written / 100
    assert second.root == first.root


async def test_no_secret_of_a_site_is_in_any_byte(
    simulator: Simulator, write_inventory: Write, store: Store, tmp_path: Path
) -> None:
    secrets = ("Tr0ub4dor&3", "hunter-two", "c2hhcmVkLWtleQ", "my secret phrase", "k3yOfTheCloud")
    site = simulator.sites["sim-0001"]
    site.state.kept["token_settings"] = {"sharedKey": secrets[2], "shortTimeout": "60", "longTimeout": "1440"}
    site.state.data_items["/enterpriseDatabases/roads"] = {
        "path": "/enterpriseDatabases/roads",
        "type": "egdb",
        "info": {
            "connectionString": f"SERVER=db;INSTANCE=sde:postgresql:db;USER=gis;PASSWORD={secrets[0]};VERSION=sde.DEFAULT",
            "more": json.dumps({"password": secrets[1], "host": "db"}),
            "ENCRYPTED_PASSWORD_UTF8": secrets[3],
            "cloud": {"accessKeyId": secrets[4], "credentials": {"user": secrets[1], "password": secrets[0]}},
            "url": f"https://gis:{secrets[1]}@db.example.com/x?token={secrets[2]}&f=json",
        },
    }
    service = next(iter(site.state.services.values()))
    service.definition["properties"]["connection"] = f"ENCRYPTED_PASSWORD={secrets[3]};USER=gis"
    path = write_inventory(simulator)
    kept = await saved(path, store, extras=("manifests", "iteminfo"))
    export(store, kept, tmp_path / "export")
    held = [json.dumps(store.load(digest)) for one in store.sites(kept).values() for digest in one.pieces.values()]
    everything = bytes_of(store.folder) + "\n".join(held).encode() + bytes_of(tmp_path / "export")
    for secret in (*secrets, "shared-key-of-this-site"):
        assert secret.encode() not in everything, secret
    told = store.load(store.sites(kept)["sim-0001"].pieces["datastores/items"])
    (roads,) = [item for item in told if item["path"] == "/enterpriseDatabases/roads"]
    assert roads["info"]["connectionString"] == (
        "SERVER=db;INSTANCE=sde:postgresql:db;USER=gis;PASSWORD=***;VERSION=sde.DEFAULT"
    ), "what is no secret stays"


async def test_a_failed_site_and_a_failed_piece_are_told(
    simulate: Simulate, write_inventory: Write, store: Store
) -> None:
    simulator = await simulate(sites=3, faults={"sim-0002": "refused"})
    path = write_inventory(simulator)
    async with Fleet.from_inventory(path) as fleet:
        kept, report = await save(fleet.select(), store=store)
    assert kept is not None
    assert [outcome.outcome for outcome in report.outcomes] == ["ok", "unreachable", "ok"]
    assert kept.coverage["missing"] == {"unreachable": 1}
    record = store.sites(kept)["sim-0002"]
    assert (record.outcome, record.pieces) == ("unreachable", {})
    assert record.error is not None
    assert record.error["kind"] == "connect"


async def test_what_a_release_lacks_is_absent_and_not_asked_for(
    simulate: Simulate, write_inventory: Write, store: Store
) -> None:
    simulator = await simulate(sites=1, release="10.5.1")
    kept = await saved(write_inventory(simulator), store)
    record = store.sites(kept)["sim-0001"]
    assert record.failed == {}
    machine = next(iter(simulator.sites["sim-0001"].state.machines))
    assert record.absent[f"machines/hardware/{machine}"] == "came with release 10.6.1"
    assert not any("/hardware" in entry.path for entry in simulator.ledger)


async def test_a_name_is_taken_once_and_an_age_finds_the_newest_that_is_older(
    simulator: Simulator, write_inventory: Write, store: Store
) -> None:
    path = write_inventory(simulator)
    first = await saved(path, store, name="before")
    second = await saved(path, store)
    with pytest.raises(UsageError, match="there is a snapshot 'before' already"):
        await saved(path, store, name="before")
    for name in ("latest", "7d", "live", "a b", "../x"):
        with pytest.raises(UsageError, match="can't be the name"):
            store.check_name(name)
    assert store.find("7d", now=first.made + 8 * 86_400) == second
    assert store.find("500ms", now=first.made + 0.5) == first
    with pytest.raises(UsageError, match="the oldest is"):
        store.find("7d", now=first.made + 86_400)
    with pytest.raises(UsageError, match="no snapshot 'nothing'"):
        store.find("nothing")


async def test_pruning_keeps_what_the_others_need(simulator: Simulator, write_inventory: Write, store: Store) -> None:
    path = write_inventory(simulator)
    kept = []
    for number in range(4):
        for site in simulator.sites.values():
            site.state.add_service("", f"Extra{number}", "MapServer")
        kept.append(await saved(path, store))
    with pytest.raises(UsageError, match="say what to keep"):
        store.prune()
    told = store.prune(keep=2, dry_run=True)
    assert [one.id for one in told.removed] == [kept[0].id, kept[1].id]
    assert len(store.snapshots()) == 4
    before = len(bytes_of(store.folder / "packs"))
    done = store.prune(keep=2)
    assert [one.id for one in store.snapshots()] == [kept[2].id, kept[3].id]
    assert done.freed == before - len(bytes_of(store.folder / "packs")) > 0
    for one in store.snapshots():
        store.verify(one)
    assert store.prune(older_than=3600.0).removed == ()
    store.prune(keep=0)
    assert store.snapshots() == []
    assert list((store.folder / "packs").iterdir()) == []


async def test_two_writers_exclude_each_other_and_the_second_is_told_who(
    simulator: Simulator, write_inventory: Write, store: Store
) -> None:
    await saved(write_inventory(simulator), store)
    with store.writing():
        with pytest.raises(LockHeld, match=r"a snapshot being saved by .* on .* \(process \d+\) since 20"):
            Store(store.folder).prune(keep=1)
        assert len(Store(store.folder).snapshots()) == 1, "reading goes on"
    store.prune(keep=1)


async def test_damage_is_found_by_the_digest(simulator: Simulator, write_inventory: Write, store: Store) -> None:
    kept = await saved(write_inventory(simulator), store)
    (pack,) = (store.folder / "packs").iterdir()
    whole = pack.read_bytes()
    for place, count in ((len(whole) // 3, 1), (len(whole) - 50, 1)):
        pack.write_bytes(
            whole[:place] + bytes(byte ^ 0xFF for byte in whole[place : place + count]) + whole[place + 1 :]
        )
        with pytest.raises(StoreFailed, match="damaged"):
            Store(store.folder).verify(kept)
    pack.write_bytes(whole[:-10])
    with pytest.raises(StoreFailed, match="damaged"):
        Store(store.folder).verify(kept)
    pack.write_bytes(whole)
    Store(store.folder).verify(kept)
    manifest = store.folder / "manifests" / f"{kept.id}.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"failed":0', b'"failed":1'))
    assert Store(store.folder).look() == (
        [],
        [f"the snapshot {kept.id} is damaged: {manifest} is not what was written"],
    )


async def test_rule_f2_a_hostile_name_is_a_file_of_its_own_below_its_folder(
    simulate: Simulate, write_inventory: Write, store: Store, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1, services=1, folders=0)
    state = simulator.sites["sim-0001"].state
    for name in ("CON", "..hidden", "a\x1b[31mred", "ROADS", "roads", "Roads", "x" * 300, "=1+1", "Ünïcode", "nul.txt"):
        definition = state.make_definition(name, "MapServer")
        state.services[f"{name}.MapServer"] = Service("", name, "MapServer", definition)
    kept = await saved(write_inventory(simulator), store)
    folder = tmp_path / "out"
    done = export(store, kept, folder)
    names = [path.name for path in (folder / "sim-0001" / "services" / "_root").iterdir()]
    assert len({name.lower() for name in names}) == len(names) == 1 + 10 + 1
    assert all(name.isascii() and len(name) <= 100 and not name.startswith(".") for name in names)
    assert not [name for name in names if name.lower().split(".")[0] in ("con", "nul")]
    assert sum(1 for path in folder.rglob("*") if path.is_file()) == done.files + 1
    assert {path.name for path in tmp_path.iterdir()} == {"out", "inventory.toml", "snapshots"}


async def test_an_export_is_updated_in_place_and_leaves_other_things_alone(
    simulator: Simulator, write_inventory: Write, store: Store, tmp_path: Path
) -> None:
    path, folder = write_inventory(simulator), tmp_path / "config"
    state = simulator.sites["sim-0001"].state
    gone = next(iter(state.services.values()))
    first = export(store, await saved(path, store), folder)
    assert first.written == first.files
    content = {file: file.read_bytes() for file in folder.rglob("*.json")}
    again = export(store, await saved(path, store), folder)
    assert (again.written, again.removed) == (0, 0)
    assert {file: file.read_bytes() for file in folder.rglob("*.json")} == content, "the same bytes each time"
    mine = folder / "sim-0001" / "README.txt"
    mine.write_text("not of the export", encoding="utf-8")
    del state.services[gone.key]
    state.mode = "READ_ONLY"
    third = export(store, await saved(path, store), folder)
    assert third.removed >= 1
    assert not (folder / "sim-0001" / "services" / (gone.folder or "_root") / f"{gone.name}.{gone.type}.json").exists()
    assert json.loads((folder / "sim-0001" / "site" / "mode.json").read_text())["siteMode"] == "READ_ONLY"
    assert mine.exists()
    text = (folder / "sim-0001" / "system" / "directories.json").read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


async def test_an_export_keeps_what_could_not_be_read(
    simulator: Simulator, write_inventory: Write, store: Store, tmp_path: Path
) -> None:
    path, folder = write_inventory(simulator), tmp_path / "config"
    export(store, await saved(path, store), folder)
    before = set((folder / "sim-0002").rglob("*.json"))
    simulator.sites["sim-0002"].fault("http-503")
    kept = await saved(path, store)
    done = export(store, kept, folder)
    assert done.stale == len(before) - 1
    assert set((folder / "sim-0002").rglob("*.json")) == before
    told = json.loads((folder / "sim-0002" / "_coverage.json").read_text())
    assert told["outcome"] == "failed"
    assert told["error"]["kind"] == "server"


async def test_an_export_into_a_folder_of_somebody_else_is_refused(
    simulator: Simulator, write_inventory: Write, store: Store, tmp_path: Path
) -> None:
    kept = await saved(write_inventory(simulator), store)
    other = tmp_path / "home"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="holds things that no export made"):
        export(store, kept, other)
    (other / ".fleet-export.json").write_text('{"schema": "fleet.export/1", "files": {"../thesis.tex": ""}}')
    with pytest.raises(UsageError, match="is not what an export writes"):
        export(store, kept, other)
    target = tmp_path / "elsewhere"
    target.mkdir()
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / ".git").mkdir()
    export(store, kept, folder)
    import shutil

    shutil.rmtree(folder / "sim-0001")
    (folder / "sim-0001").symlink_to(target)
    with pytest.raises(UsageError, match="is a link"):
        export(store, kept, folder)
    assert list(target.iterdir()) == []


async def test_pieces_come_whatever_section_is_asked_for(simulator: Simulator, write_inventory: Write) -> None:
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        found = await collect(fleet.client("sim-0001"), sections=("security",))
        assert {name.partition("/")[0] for name in found.pieces} == {"security"}
        with pytest.raises(UsageError, match="there is no extra 'thumbnails'"):
            await collect(fleet.client("sim-0001"), extras=("thumbnails",))


async def many_services(count: int, simulate: Simulate, write_inventory: Write, store: Store, folder: Path) -> None:
    simulator = await simulate(sites=1, machines=1, services=0, folders=1)
    state = simulator.sites["sim-0001"].state
    for number in range(count):
        state.add_service("Planning" if number % 10 else "", f"S{number:05}", "MapServer")
    kept = await saved(write_inventory(simulator), store)
    record = store.sites(kept)["sim-0001"]
    assert (record.outcome, record.failed) == ("ok", {})
    assert sum(name.startswith("services/definition/") for name in record.pieces) == count
    states = store.load(record.pieces["services/states/Planning"])
    assert len(states) == count - len(store.load(record.pieces["services/states/-"])) == count * 9 // 10
    asked = [entry for entry in simulator.ledger if entry.path.endswith("/report")]
    assert len(asked) == -(-len(states) // 2000) + -(-count // 10 // 2000)
    done = export(store, kept, folder)
    assert done.files > count


async def test_a_site_of_thousands_of_services_is_kept_whole(
    simulate: Simulate, write_inventory: Write, store: Store, tmp_path: Path
) -> None:
    await many_services(2500, simulate, write_inventory, store, tmp_path / "out")


@pytest.mark.soak
async def test_a_site_of_twenty_thousand_services_is_kept_whole(
    simulate: Simulate, write_inventory: Write, store: Store, tmp_path: Path
) -> None:
    await many_services(20_000, simulate, write_inventory, store, tmp_path / "out")


async def test_what_can_not_be_read_on_a_release_is_absent_and_no_failure(
    simulate: Simulate, write_inventory: Write, store: Store
) -> None:
    simulator = await simulate(sites=1, switches={"header-token": "ignored"})
    kept = await saved(write_inventory(simulator), store)
    record = store.sites(kept)["sim-0001"]
    assert (record.outcome, record.failed) == ("ok", {})
    assert record.absent["security/psa"] == "not readable on this release without a token in the URL"
    assert "security/config" in record.pieces


async def test_a_site_that_is_read_in_part_is_kept_in_part_and_compared_in_part(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "inventory.toml"
    async with lying() as liar:
        liar.answers.update({name: (200, value) for name, value in MORE.items()})
        path.write_text(liar.inventory + "retries = 0\n", encoding="utf-8")
        liar.answers["admin/services/Planning"] = (500, {"status": "error", "messages": ["disk on fire"], "code": 500})
        async with Fleet.from_inventory(path) as fleet:
            kept, report = await save(fleet.select(), store=store)
            (outcome,) = report.outcomes
            assert isinstance(outcome, Failed)
            assert outcome.outcome == "failed"
            assert outcome.error.message.endswith("pieces could not be read: services/folder/Planning: disk on fire")
            assert kept is not None
            assert kept.failed >= 1
            (record,) = store.sites(kept).values()
            assert record.failed["services/folder/Planning"] == {"kind": "server", "message": "disk on fire"}
            liar.answers["admin/services/Planning"] = (200, HONEST["admin/services/Planning"])
            liar.answers["admin/services/Roads.MapServer"] = (200, {"serviceName": "Roads", "maxWaitTime": 90})
            comparison, report = await compare(fleet.select(), Wanted(since=kept, sections=("services",)), store=store)
    assert [item.item for item in comparison.items] == ["Roads.MapServer"], "of Planning nothing is known"
    assert [step["path"] for step in comparison.items[0].gaps[0].steps] == [
        "/extensions/KmlServer/typeName",
        "/maxWaitTime",
    ]


async def test_names_with_controls_are_read_like_any_other(tmp_path: Path, store: Store) -> None:
    odd = "Plan\u202e\u00a0\x07ning"
    async with lying() as liar:
        liar.answers |= MORE
        liar.answers["admin/services"] = {"folders": [odd], "services": []}
        liar.answers["admin/machines"] = {"machines": [{"machineName": odd}]}
        inventory = tmp_path / "inventory.toml"
        inventory.write_text(liar.inventory)
        kept = await saved(inventory, store)

        path = quote(odd, safe="")
        assert {f"admin/services/{path}", f"admin/services/{path}/permissions", f"admin/machines/{path}"} <= set(
            liar.asked
        )
    assert list(store.sites(kept)) == ["liar"]
