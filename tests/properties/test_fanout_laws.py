"""Every selected site has exactly one outcome, whatever the sites do, however wide, and whenever it is stopped."""

from __future__ import annotations

import math
from collections import Counter
from functools import partial

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.client.clients import Clients
from fleet.client.site import Answer, SiteClient
from fleet.errors import ConnectFailed, ServerFailed
from fleet.fanout.engine import Progress, Skipped, fan_out, interleaved
from fleet.fanout.stop import Stop
from fleet.inventory.model import Site
from fleet.outcome import Outcome

behaviours = st.lists(
    st.sampled_from(["ok", "changed", "refused", "failed", "skipped", "slow", "hang", "change that hangs"]), max_size=12
)


def sites(count: int) -> list[Site]:
    return [Site(name=f"s{number}", url=f"https://h{number % 3}.example.com/a{number}") for number in range(count)]


async def act(plan: dict[str, str], client: SiteClient) -> object:
    match plan[client.site.name]:
        case "ok":
            return {"n": 1}
        case "changed":
            return Answer(value=None, outcome="changed")
        case "refused":
            raise ConnectFailed("connection refused")
        case "failed":
            await anyio.sleep(0)
            raise ServerFailed("no", code=500)
        case "skipped":
            raise Skipped("protected")
        case "slow":
            await anyio.sleep(0.002)
            return None
        case "change that hangs":
            client.change_in_flight = "services.stop"
            await anyio.sleep(math.inf)
        case _:
            await anyio.sleep(math.inf)
    return None


EXPECTED = {
    "ok": {"ok"},
    "changed": {"changed"},
    "refused": {"unreachable"},
    "failed": {"failed"},
    "skipped": {"skipped"},
    "slow": {"ok", "timeout", "cancelled"},
    "hang": {"timeout", "cancelled"},
    "change that hangs": {"unknown"},
}


async def run(found: list[str], width: int, deadline: float, first: float | None, second: float) -> list[Outcome]:
    plan = {f"s{number}": kind for number, kind in enumerate(found)}
    stop, progress, clients = Stop(), Progress(len(plan)), Clients()
    outcomes: list[Outcome] = []

    async def interrupt() -> None:
        if first is not None:
            await anyio.sleep(first)
            stop.launch_no_more()
            await anyio.sleep(second)
            stop.cancel_all()

    async with anyio.create_task_group() as group:
        group.start_soon(interrupt)
        async with fan_out(
            sites(len(found)),
            partial(act, plan),
            clients,
            width=width,
            deadline=anyio.current_time() + deadline,
            stop=stop,
            progress=progress,
        ) as stream:
            outcomes += [outcome async for outcome in stream]
        group.cancel_scope.cancel()
    assert progress.running == {}
    assert progress.done == len(found)
    return outcomes


@given(
    found=behaviours,
    width=st.integers(1, 15),
    deadline=st.sampled_from([0.0, 0.001, 0.01, 0.03]),
    first=st.none() | st.sampled_from([0.0, 0.001, 0.005]),
    second=st.sampled_from([0.0, 0.002]),
)
def test_exactly_one_outcome_per_site(
    found: list[str], width: int, deadline: float, first: float | None, second: float
) -> None:
    outcomes = anyio.run(run, found, width, deadline, first, second)
    assert Counter(outcome.site for outcome in outcomes) == Counter(f"s{number}" for number in range(len(found)))
    for outcome in outcomes:
        kind = found[int(outcome.site[1:])]
        assert outcome.outcome in EXPECTED[kind] | {"not_run"}
        assert outcome.ok == (outcome.outcome in ("ok", "changed", "noop"))


async def test_leaving_the_stream_early_cancels_and_awaits_everything() -> None:
    running = 0

    async def work(client: SiteClient) -> None:
        nonlocal running
        running += 1
        try:
            await anyio.sleep(0 if client.site.name == "s0" else math.inf)
        finally:
            running -= 1

    async with fan_out(sites(20), work, Clients(), width=20) as stream:
        async for _ in stream:
            break
    assert running == 0


async def test_a_bug_of_ours_surfaces_and_stops_the_run() -> None:
    async def work(client: SiteClient) -> None:
        if client.site.name == "s3":
            raise ZeroDivisionError("ours")
        await anyio.sleep(0.001)

    with pytest.raises(ZeroDivisionError, match="ours"):
        async with fan_out(sites(8), work, Clients(), width=2) as stream:
            async for _ in stream:
                pass


async def test_never_more_than_the_width_at_once() -> None:
    running = most = 0

    async def work(client: SiteClient) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.sleep(0.001)
        running -= 1

    async with fan_out(sites(50), work, Clients(), width=7) as stream:
        assert len([outcome async for outcome in stream]) == 50
    assert most == 7


@given(
    count=st.integers(0, 60),
    width=st.integers(1, 15),
    backlog=st.integers(1, 8),
    waits=st.lists(st.sampled_from(["site", "consumer", "nobody"]), min_size=1, max_size=4),
)
def test_a_consumer_slower_than_the_sites_gets_every_outcome_and_holds_the_sites_back(
    count: int, width: int, backlog: int, waits: list[str]
) -> None:
    async def main() -> None:
        started = seen = most = 0

        async def work(client: SiteClient) -> None:
            nonlocal started
            started += 1
            if waits[started % len(waits)] == "site":
                await anyio.sleep(0)

        with anyio.fail_after(30):
            async with fan_out(sites(count), work, Clients(), width=width, backlog=backlog) as stream:
                async for _ in stream:
                    seen += 1
                    most = max(most, started - seen)
                    if waits[seen % len(waits)] == "consumer":
                        await anyio.sleep(0)
        assert seen == count
        assert most <= backlog + 2 * width

    anyio.run(main)


@given(st.integers(0, 20))
def test_sites_of_one_host_are_spread_and_none_is_lost(count: int) -> None:
    mixed = interleaved(sites(count))
    assert sorted(site.name for site in mixed) == sorted(site.name for site in sites(count))
    if count >= 3:
        assert len({site.url.split("/")[2] for site in mixed[:3]}) == 3
