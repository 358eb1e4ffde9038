"""Names in answers of which no path can be made: the site has failed, nothing is sent to it, and the others go on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleet.bulk import Verb, change
from fleet.bulk.data import Items, Unregister
from fleet.bulk.jobs import CancelJobs
from fleet.bulk.system import CleanDirectories, EditAdaptors, UnregisterAdaptors
from fleet.client.settings import RetryPolicy
from fleet.client.site import SiteClient
from fleet.fanout.fleet import Fleet
from fleet.protocol.fields import ServiceId
from fleet.protocol.item_patterns import NamePatterns
from fleet.protocol.patterns import ServicePatterns
from fleet.rows import system
from fleet.rows.accounts import users
from fleet.rows.jobs import jobs_of
from tests.liar import Liar, lying

Write = Callable[[str], Path]
ONCE = RetryPolicy(base=0.01, cap=0.02, settle=0.1)
NAMES: list[Any] = ["..", ".", False, 7, ["a"], {"a": 1}, None]


def say(liar: Liar, name: Any) -> None:
    """Let every list of the site hold *name*."""
    liar.answers |= {
        "admin/system/webadaptors": {"webAdaptors": [{"id": name, "webAdaptorURL": "https://gis.example.net"}]},
        "admin/system/directories": {"directories": [{"name": name, "directoryType": "OUTPUT"}]},
        "admin/system/jobs": {"jobs": [name]},
        "admin/services": {"folders": [], "services": [{"folderName": "/", "serviceName": "Tool", "type": "GPServer"}]},
        "admin/services/Tool.GPServer/jobs/query": {"results": [{"jobId": name, "jobStatus": "esriJobWaiting"}]},
        "admin/services/Tool.GPServer/jobs": {"results": [{"jobId": name, "jobStatus": "esriJobWaiting"}]},
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "verb",
    [
        EditAdaptors(("*",), settings={"description": "changed"}),
        UnregisterAdaptors(("*",)),
        CleanDirectories(),
        CancelJobs(ServicePatterns(("*",)), ("x", "..", ".", "7")),
    ],
)
async def test_a_name_that_is_none_is_never_made_a_path(write_inventory: Write, name: Any, verb: Verb) -> None:
    async with lying() as liar:
        say(liar, name)
        async with Fleet.from_inventory(write_inventory(liar.inventory), retry=ONCE) as fleet:
            (outcome,) = (await change(fleet.select("all"), verb)).outcomes

    assert outcome.outcome in ("protocol", "noop"), outcome
    assert not any(part in (".", "..") for path in liar.asked for part in path.split("/"))
    assert not any(path.endswith(("unregister", "update", "clean", "cancel")) for path in liar.asked)


async def test_a_data_item_of_dots_is_never_made_a_path(write_inventory: Write) -> None:
    async with lying() as liar:
        liar.answers["admin/data/findItems"] = {"items": [{"path": "/fileShares/../..", "type": "folder", "info": {}}]}
        async with Fleet.from_inventory(write_inventory(liar.inventory), retry=ONCE) as fleet:
            (outcome,) = (await change(fleet.select("all"), Unregister(Items(NamePatterns(("*",)))))).outcomes

    assert outcome.outcome == "protocol"
    assert "can't be part of a path" in outcome.error.message


async def test_pages_without_an_end_are_given_up(write_inventory: Write) -> None:
    """Each page brings something new, and says that there is more."""
    async with lying() as liar:
        count = 0

        class Endless(dict[str, Any]):
            def get(self, path: str, default: Any = None) -> Any:
                nonlocal count
                count += 1
                if "users" in path:
                    return {"users": [{"username": f"user{count}"}], "hasMore": True}
                if "jobs" in path:
                    return {"results": [{"jobId": f"j{count}", "jobStatus": "x"}], "nextStart": count * 1000}
                return super().get(path, default)

        liar.answers = Endless(liar.answers)

        async def both(client: SiteClient) -> list[str]:
            told = []
            for work in (users(client), jobs_of(client, ServiceId.parse("Tool.GPServer"))):
                with pytest.raises(Exception, match="pages") as failed:
                    await work
                told.append(str(failed.value))
            return told

        async with Fleet.from_inventory(write_inventory(liar.inventory), retry=ONCE) as fleet:
            (outcome,) = (await fleet.select("all").run(both)).outcomes

    assert outcome.ok, outcome
    assert count < 1500


@pytest.mark.parametrize("name", NAMES)
async def test_a_job_that_is_no_name_is_no_job(write_inventory: Write, name: Any) -> None:
    async with lying() as liar:
        say(liar, name)
        async with Fleet.from_inventory(write_inventory(liar.inventory), retry=ONCE) as fleet:
            (outcome,) = (await fleet.select("all").run(system.jobs)).outcomes

    assert outcome.outcome == "protocol"
