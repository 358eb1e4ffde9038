"""The Python API as its callers use it, asynchronous and not."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

import fleet as package
from fleet import Answered, CoverageError, Failed, Fleet, HealthOptions, SelectorError, UsageError, ops, places
from fleet import sync as blocking
from fleet.client.site import SiteClient
from fleet.errors import NotFound
from fleet.simulator import Simulator

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


def test_every_public_name_is_there() -> None:
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError):
        package.nothing  # noqa: B018


async def test_run_and_stream(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=4, faults={"sim-0002": "refused"})
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        report = await fleet.select("not sim-0004").run(ops.services.report(), merge="union")
        assert [type(outcome) for outcome in report.outcomes] == [Answered, Failed, Answered]
        assert {entry["site"] for entry in report.merged["rows"]} == {"sim-0001", "sim-0003"}
        assert not report.ok
        found = []
        async with fleet.select("all").stream(ops.info.healthcheck()) as outcomes:
            async for outcome in outcomes:
                found.append(outcome.site)
        assert Counter(found) == Counter(list(simulator.sites))
        with pytest.raises(SelectorError):
            fleet.select("nobody")
        with pytest.raises(UsageError, match="group, diff"):
            await fleet.select("all").run(ops.info.rest(), merge="glue")
        for width in (0, -1):
            with pytest.raises(UsageError, match="how many sites are worked on at once"):
                await fleet.select("all").run(ops.info.rest(), width=width)
    assert simulator.sites["sim-0001"].count("generateToken") == 1


async def test_a_function_of_the_client_is_work_too(simulator: Simulator, write_inventory: Write) -> None:
    async def machines(client: SiteClient) -> int:
        return len((await client.call(ops.machines.listing()))["machines"])

    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        report = await fleet.select().run(machines, merge="stats")
    assert report.merged["fields"][""]["count"] == 3


async def test_a_query_that_does_not_fit_never_hides_a_change(simulator: Simulator, write_inventory: Write) -> None:
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        with pytest.raises(UsageError, match="no such function"):
            await fleet.select("all").run(ops.site.set_mode("READ_ONLY"), query="foo(@)")
        assert len(simulator.ledger) == 0, "nothing was sent"
        read = await fleet.select("sim-0001").run(ops.info.admin(), query="sum(loggedInUser)")
        changed = await fleet.select("sim-0002").run(ops.site.set_mode("READ_ONLY"), query="abs(status)")
    assert read.outcomes[0].outcome == "protocol"
    assert changed.outcomes[0].outcome == "changed"
    assert [(warning.site, warning.kind) for warning in changed.warnings] == [("sim-0002", "query")]
    assert simulator.sites["sim-0002"].state.mode == "READ_ONLY"


async def test_nothing_of_a_finished_run_is_left_open(simulator: Simulator, write_inventory: Write) -> None:
    import asyncio

    before = asyncio.all_tasks()
    async with (
        Fleet.from_inventory(write_inventory(simulator)) as fleet,
        fleet.select().stream(ops.info.admin()) as outcomes,
    ):
        async for _ in outcomes:
            break
    assert {task for task in asyncio.all_tasks() if task not in before and not task.done()} <= {
        task for task in asyncio.all_tasks() if "web_protocol" in repr(task) or "RequestHandler" in repr(task)
    }


async def test_the_blocking_facade_says_the_same(simulate: Simulate, write_inventory: Write) -> None:
    path = write_inventory(await simulate(sites=3, faults={"sim-0002": "service-down", "sim-0003": "read-only"}))

    def script() -> None:
        with pytest.raises(UsageError, match="open the fleet first"):
            blocking.Fleet.from_inventory(path).select("all")
        with blocking.Fleet.from_inventory(path) as fleet:
            everything = fleet.select("all")
            assert len(everything) == everything.run(ops.info.admin()).coverage.answered == 3
            streamed = [outcome.site for outcome in everything.stream(ops.info.rest())]
            assert sorted(streamed) == ["sim-0001", "sim-0002", "sim-0003"]
            swept = blocking.sweep(everything, HealthOptions(only=("services",)))
            assert swept.merged["verdicts"] == {"ok": 2, "warning": 0, "critical": 1, "unknown": 0}
            assert fleet.call("sim-0003", ops.site.mode())["siteMode"] == "READ_ONLY"
            with pytest.raises(NotFound, match="sim-0003: "):
                fleet.call("sim-0003", ops.services.status("Nowhere.MapServer"))

    await anyio.to_thread.run_sync(script)


async def test_thin_coverage_can_be_an_error(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=4, faults={"sim-0002": "refused"})
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        report = await fleet.select().run(ops.info.admin())
    report.require_coverage(0.75)
    with pytest.raises(UsageError, match="a share from 0 to 1, and 75 is not"):
        report.require_coverage(75)
    with pytest.raises(CoverageError, match="3 of 4 sites answered, which is less than 90%: 1 unreachable"):
        report.require_coverage(0.9)


async def test_what_failed_on_the_command_line_can_be_selected(simulate: Simulate, write_inventory: Write) -> None:
    path = write_inventory(await simulate(sites=3, faults={"sim-0002": "refused"}))
    with pytest.raises(SelectorError, match="none of this inventory is recorded"):
        Fleet.from_inventory(path).select("@failed")
    called = await anyio.run_process(
        [sys.executable, "-m", "fleet", "call", "admin/info", "-q", "-i", str(path)], check=False
    )
    assert called.returncode == 1
    assert [site.name for site in Fleet.from_inventory(path).select("@failed").sites] == ["sim-0002"]


async def test_a_record_that_can_not_be_read_is_an_error_of_usage(simulator: Simulator, write_inventory: Write) -> None:
    database = places.state_folder() / "fleet.db"
    database.parent.mkdir(parents=True)
    database.write_bytes(b"junk" * 1000)
    fleet = Fleet.from_inventory(write_inventory(simulator))
    with pytest.raises(UsageError, match="it is damaged"):
        fleet.select("@failed")
    assert len(fleet.select("all")) == 3


@pytest.mark.parametrize("limit", ["30", "0s", 0, -1.0, float("nan")])
def test_a_limit_is_a_time_with_a_unit_that_is_more_than_nothing(limit: float | str) -> None:
    inventory = package.Inventory(sites={})
    for name in ("timeout", "deadline"):
        with pytest.raises(UsageError, match=r"no duration|no time at all"):
            Fleet(inventory, **{name: limit})  # type: ignore[arg-type]


INTERRUPTED = """
import os, signal, sys, threading, time
from fleet import ops, sync

# A job in the background of a shell is started with interrupts ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

def interrupt(outcome):
    os.kill(os.getpid(), signal.SIGINT)

with sync.Fleet.from_inventory(sys.argv[1], width=1) as fleet:
    try:
        fleet.select("not sim-0001").run(ops.info.admin(), on_outcome=interrupt)
    except KeyboardInterrupt:
        print("interrupted")
    time.sleep(2)
    print(fleet.call("sim-0001", ops.info.admin())["loggedInUser"])
print(threading.active_count())
"""


async def test_an_interrupt_ends_the_run_and_leaves_the_fleet_open(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=9, latency=0.2)
    done = await anyio.run_process([sys.executable, "-c", INTERRUPTED, str(write_inventory(simulator))], check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"interrupted\nsiteadmin\n1\n", b"")
    asked = {entry.site for entry in simulator.ledger}
    assert {"sim-0001", "sim-0002"} <= asked <= {"sim-0001", "sim-0002", "sim-0003"}, "the rest was not begun with"
