"""The system of sites in bulk: directories, web adaptors, properties, services directory, cache, configuration store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fleet import Fleet
from fleet.aggregate.where import parse
from fleet.bulk import Verb, change, plan
from fleet.bulk.system import (
    CleanDirectories,
    ClearCache,
    EditAdaptors,
    RecoverDirectories,
    ServicesDirectory,
    SetProperties,
    UnregisterAdaptors,
)
from fleet.client.settings import RetryPolicy
from fleet.client.site import SiteClient
from fleet.inventory.secrets import Secret
from fleet.outcome import Outcome
from fleet.rows.licenses import LICENSES
from fleet.rows.system import DIRECTORIES, PROPERTIES, WEB_ADAPTORS, config_store, jobs
from fleet.rows.table import EVERYTHING
from fleet.simulator import Simulator

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

PATIENCE = RetryPolicy(base=0.05, cap=0.1, settle=0.5, restart=5.0, lock_patience=0.5, breaker_pause=0.2)


async def changed(inventory: Path, *verbs: Verb) -> list[Outcome]:
    async with Fleet.from_inventory(inventory, retry=PATIENCE) as fleet:
        return [(await change(fleet.select("all"), verb)).outcomes[0] for verb in verbs]


async def read(inventory: Path, reader: Callable[[SiteClient], Awaitable[Any]]) -> Any:
    async with Fleet.from_inventory(inventory, retry=PATIENCE) as fleet:
        return (await fleet.select("all").run(reader)).outcomes[0].value


async def test_properties_are_set_and_the_others_are_kept(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    site.state.properties = {
        "WebContextURL": "https://old.example/arcgis",
        "kept": True,
        "httpProxyHost": "proxy.example",
    }
    inventory = write_inventory(simulator)
    verb = SetProperties({"WebContextURL": "https://new.example/arcgis", "limit": 5}, ("httpProxyHost",))
    async with Fleet.from_inventory(inventory) as fleet:
        _, plans = await plan(fleet.select("all"), verb)
    first, second = await changed(inventory, verb, verb)

    (one,) = plans["sim-0001"].changes
    assert one.old == {"WebContextURL": "https://old.example/arcgis", "httpProxyHost": "proxy.example"}
    assert one.new == {"WebContextURL": "https://new.example/arcgis", "limit": 5}
    assert [first.outcome, second.outcome] == ["changed", "noop"]
    assert site.state.properties == {"WebContextURL": "https://new.example/arcgis", "kept": True, "limit": 5}


async def test_a_secret_property_is_set_and_shown_nowhere(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    inventory = write_inventory(simulator)
    verb = SetProperties(secrets={"httpProxyPassword": Secret("never-to-be-seen")})

    (outcome,) = await changed(inventory, verb)
    rows = await read(inventory, lambda client: PROPERTIES.read(client, EVERYTHING))

    assert outcome.outcome == "changed"
    assert simulator.sites["sim-0001"].state.properties["httpProxyPassword"] == "never-to-be-seen"
    assert {"property": "httpProxyPassword", "value": "***"} in rows
    assert "never-to-be-seen" not in repr(outcome) + repr(verb) + repr(verb.parameters())


async def test_a_property_that_is_masked_when_it_is_read_is_not_written_back(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    site.state.properties = {"connection": f"user=siteadmin;password={simulator.password}"}

    (outcome,) = await changed(write_inventory(simulator), SetProperties({"limit": 5}))

    assert outcome.outcome == "failed"
    assert site.state.properties == {"connection": f"user=siteadmin;password={simulator.password}"}


async def test_directories_are_listed_with_the_kinds_that_a_site_lacks(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    del site.state.directories["arcgisjobs"]

    rows = await read(write_inventory(simulator), lambda client: DIRECTORIES.read(client, EVERYTHING))

    assert [row["directoryType"] for row in rows if row["state"] == "missing"] == ["JOBS"]
    assert {row["name"] for row in rows if row["name"]} == set(site.state.directories)


async def test_a_folder_that_is_missing_on_the_disk_fails_at_cleaning_and_is_made_anew(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    site.switches.missing_directories = frozenset({"arcgisjobs"})

    first, recovered, second, named, absent = await changed(
        write_inventory(simulator),
        CleanDirectories(),
        RecoverDirectories(),
        CleanDirectories(),
        CleanDirectories(("arcgisc*",)),
        CleanDirectories(("arcgisnothing",)),
    )

    told = {one["item"]: one["outcome"] for one in first.value["changes"]}
    assert told == {"arcgisjobs": "failed", "arcgisoutput": "changed"}
    assert recovered.outcome == second.outcome == "changed"
    assert [one["item"] for one in named.value["changes"]] == ["arcgiscache"]
    assert "there is no directory arcgisnothing" in absent.error.message  # type: ignore[union-attr]


async def test_left_over_web_adaptors_are_found_changed_and_given_up(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, switches={"estate": "worn"})
    site = simulator.sites["sim-0001"]
    inventory = write_inventory(simulator)
    before = await read(inventory, lambda client: WEB_ADAPTORS.read(client, EVERYTHING))
    retired = [row for row in before if "RETIRED" in row["machineName"]]
    opened = EditAdaptors(("*",), settings={"isAdminEnabled": True})

    given_up, edited, again = await changed(
        inventory, UnregisterAdaptors(("*",), parse("machineName=WEB1-RETIRED.SIMULATED.EXAMPLE")), opened, opened
    )

    assert len(retired) == 1
    assert [one["item"] for one in given_up.value["changes"]] == [retired[0]["id"]]
    assert [given_up.outcome, edited.outcome, again.outcome] == ["changed", "changed", "noop"]
    after = await read(inventory, lambda client: WEB_ADAPTORS.read(client, EVERYTHING))
    assert len(after) == len(before) - 1
    assert all(row["isAdminEnabled"] is True for row in after)
    assert site.count("unregister") == 1


async def test_the_services_directory_is_switched_and_keeps_its_other_settings(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]

    outcomes = await changed(
        write_inventory(simulator), ServicesDirectory(False), ServicesDirectory(False), ClearCache()
    )

    assert [one.outcome for one in outcomes] == ["changed", "noop", "changed"]
    kept = site.state.kept["servicesdirectory"]
    assert (kept["servicesDirEnabled"], kept["allowedOrigins"]) == ("false", "*")
    assert outcomes[2].verified is False  # type: ignore[union-attr]
    assert site.count("clear") == 1


async def test_the_configuration_store_jobs_and_licences_are_told(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    inventory = write_inventory(simulator)

    (store,) = await read(inventory, config_store)
    licences = await read(inventory, lambda client: LICENSES.read(client, EVERYTHING))

    assert (store["type"], store["status"]) == ("FILESYSTEM", "Ready")
    assert await read(inventory, jobs) == []
    assert {row["kind"] for row in licences} >= {"edition", "level", "datafeature", "extension"}
    assert all(row["daysLeft"] == pytest.approx(licences[0]["daysLeft"], abs=1) for row in licences)
