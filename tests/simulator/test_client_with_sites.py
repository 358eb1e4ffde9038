"""The client of a site against simulated sites: tokens, retries, changes, and what leaves this machine."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from fleet import admin as ops
from fleet.admin.catalogue import operation_for
from fleet.admin.operation import Operation
from fleet.client.clients import Clients
from fleet.client.settings import ClientSettings, RetryPolicy
from fleet.client.site import SiteClient
from fleet.errors import (
    BadAnswer,
    CircuitOpen,
    ConnectFailed,
    FateUnknown,
    Forbidden,
    Locked,
    LoginRefused,
    NotFound,
    RedirectRefused,
    ServerFailed,
    SiteError,
    TimedOut,
    TlsFailed,
    TokenRefused,
    TooLarge,
    VerifyFailed,
)
from fleet.inventory.load import Source, load
from fleet.inventory.model import Inventory
from fleet.protocol.fields import ServiceId
from fleet.simulator import Simulator

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

QUICK = RetryPolicy(base=0.01, cap=0.05, settle=1.0, lock_patience=10.0)


def inventory_of(simulator: Simulator, write_inventory: Write) -> Inventory:
    return load([Source(write_inventory(simulator), trusted=True)])


@asynccontextmanager
async def client_of(
    simulator: Simulator,
    write_inventory: Write,
    name: str = "sim-0001",
    timeout: float = 5.0,
    policy: RetryPolicy = QUICK,
) -> AsyncIterator[SiteClient]:
    inventory = inventory_of(simulator, write_inventory)
    async with Clients(ClientSettings(timeout=timeout, retry=policy), rng=random.Random(1)) as clients:
        yield clients[inventory[name]]


async def test_rule_t4_two_hundred_calls_cost_one_login(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, latency=0.02)
    async with client_of(simulator, write_inventory) as client, anyio.create_task_group() as group:
        for _ in range(200):
            group.start_soon(client.call, ops.info.admin())
    assert simulator.sites["sim-0001"].count("generateToken") == 1
    assert simulator.sites["sim-0001"].count("info") == 200


async def test_rule_t1_no_token_and_no_password_is_ever_in_an_address(
    simulator: Simulator, write_inventory: Write
) -> None:
    site = simulator.sites["sim-0001"]
    async with client_of(simulator, write_inventory) as client:
        await client.call(ops.info.admin())
        site.switches.header_token = "ignored"
        site.forget_tokens()
        await client.call(ops.services.report())
        await client.ask(ops.site.set_mode("EDITABLE"))
    assert {entry.token_in for entry in simulator.ledger} <= {"none", "header", "body"}
    assert not any("token" in entry.path or "password" in entry.path for entry in simulator.ledger)


async def test_wire_5_5_a_site_that_ignores_the_header_gets_the_token_in_the_body(
    simulator: Simulator, write_inventory: Write
) -> None:
    site = simulator.sites["sim-0001"]
    site.switches.header_token = "ignored"
    async with client_of(simulator, write_inventory) as client:
        await client.call(ops.info.admin())
        await client.call(ops.machines.listing())
        with pytest.raises(ServerFailed, match="without a token in the URL"):
            await client.call(operation_for("admin/security/psa")[0])
    assert [entry.token_in for entry in site.requests("info")] == ["none", "body"]
    assert [entry.token_in for entry in site.requests("machines")] == ["body"], "it is remembered for this site"
    assert site.count("generateToken") == 1
    assert site.count("psa") == 0


async def test_wire_5_2_an_expired_token_costs_one_login_and_one_replay(
    simulator: Simulator, write_inventory: Write
) -> None:
    site = simulator.sites["sim-0001"]
    async with client_of(simulator, write_inventory) as client:
        await client.call(ops.info.admin())
        site.tokens.expire_all()
        await client.call(ops.info.admin())
        site.forget_tokens()
        await client.call(ops.info.admin())
    assert site.count("generateToken") == 3
    assert [entry.code for entry in site.requests("info")] == [None, 498, None, 498, None]


async def test_wire_5_8_a_client_mismatch_does_not_go_in_circles(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, faults={"sim-0001": "clientid"})
    async with client_of(simulator, write_inventory) as client:
        with pytest.raises(TokenRefused, match="ClientID"):
            await client.call(ops.info.admin())
    assert simulator.sites["sim-0001"].count("generateToken") == 1
    assert simulator.sites["sim-0001"].count("info") == 1


async def test_rule_t5_a_wrong_password_is_sent_once_however_many_calls_wait(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, faults={"sim-0001": "wrong-password"})
    errors: list[SiteError] = []
    async with client_of(simulator, write_inventory) as client:

        async def one() -> None:
            try:
                await client.call(ops.info.admin())
            except SiteError as error:
                errors.append(error)

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(one)
        with pytest.raises(LoginRefused):
            await client.call(ops.machines.listing())
    assert len(errors) == 20
    assert all(isinstance(error, LoginRefused) for error in errors)
    assert simulator.sites["sim-0001"].count("generateToken") == 1


async def test_a_machine_without_a_site_does_not_latch_the_login(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, faults={"sim-0001": "no-site"})
    site = simulator.sites["sim-0001"]
    async with client_of(simulator, write_inventory) as client:
        with pytest.raises(NotFound):
            await client.call(ops.info.admin())
        site.clear_faults()
        await client.call(ops.info.admin())


async def test_tokens_are_renewed_ahead_by_our_own_clock(simulator: Simulator, write_inventory: Write) -> None:
    site = simulator.sites["sim-0001"]
    now = 1000.0
    inventory = inventory_of(simulator, write_inventory)
    async with Clients(clock=lambda: now, rng=random.Random(1)) as clients:
        client = clients[inventory["sim-0001"]]
        await client.call(ops.info.admin())
        now += 3600 * 0.59
        await client.call(ops.info.admin())
        assert site.count("generateToken") == 1
        now += 3600 * 0.22
        await client.call(ops.info.admin())
        assert site.count("generateToken") == 2
    assert not any(entry.code == 498 for entry in simulator.ledger)


async def test_wire_5_1_expires_is_a_text_on_older_releases(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, release="10.5.1")
    async with client_of(simulator, write_inventory) as client:
        told = await client.call(ops.info.admin())
        assert told["fullVersion"] == "10.5.1"
        assert str(client.release) == "10.5.1"


@pytest.mark.parametrize(
    ("fault", "kind", "requests"),
    [
        ("refused", ConnectFailed, 0),
        ("reset", ConnectFailed, 3),
        ("truncated", ConnectFailed, 3),
        ("html", BadAnswer, 1),
        ("http-503", ServerFailed, 3),
        ("redirect-away", RedirectRefused, 1),
        ("huge", TooLarge, 2),
        ("upgrading", Locked, 1),
        ("admin-blocked", BadAnswer, 1),
    ],
)
async def test_each_fault_is_the_error_that_it_is_and_only_passing_ones_are_repeated(
    simulate: Simulate, write_inventory: Write, fault: str, kind: type[SiteError], requests: int
) -> None:
    simulator = await simulate(sites=1, faults={"sim-0001": fault})
    async with client_of(simulator, write_inventory) as client:
        with pytest.raises(kind) as caught:
            await client.call(ops.info.admin())
    assert caught.value.site == "sim-0001"
    assert len(simulator.ledger) == requests


async def test_rule_n5_silence_is_a_time_out_and_not_asked_again(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, faults={"sim-0001": "hang"})
    async with client_of(simulator, write_inventory, timeout=0.3) as client:
        with anyio.fail_after(5):
            with pytest.raises(TimedOut):
                await client.call(ops.info.admin())
            with pytest.raises(TimedOut):
                await client.call(ops.machines.listing())
    assert [entry.operation for entry in simulator.ledger] == ["generateToken"]


async def test_rule_n1_a_redirect_on_the_same_origin_keeps_method_and_body(
    simulator: Simulator, write_inventory: Write
) -> None:
    async with client_of(simulator, write_inventory) as client:
        from fleet.admin.operation import Operation

        told = await client.call(Operation(name="root", path="admin"))
    assert told["fullVersion"] == "11.3.0"
    assert [entry.status for entry in simulator.sites["sim-0001"].requests("admin")] == [302, 200]


async def test_rule_n8_a_dead_site_is_left_alone_after_five_failures(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, faults={"sim-0001": "refused"})
    async with client_of(simulator, write_inventory) as client:
        for _ in range(2):
            with pytest.raises((ConnectFailed, CircuitOpen)):
                await client.call(ops.info.rest())
        with pytest.raises(CircuitOpen):
            await client.call(ops.info.rest())


async def test_a_change_is_seen_in_the_site_s_state(simulator: Simulator, write_inventory: Write) -> None:
    site = simulator.sites["sim-0001"]
    key = next(iter(site.services))
    async with client_of(simulator, write_inventory) as client:
        answer = await client.ask(ops.services.stop(ServiceId.parse(key)))
        assert (answer.outcome, answer.verified) == ("changed", None)
        assert site.services[key].real == "STOPPED"
        assert (await client.preview(ops.services.stop(ServiceId.parse(key)))).outcome == "noop"
        assert (await client.preview(ops.services.start(ServiceId.parse(key)))).outcome == "changed"
    assert site.services[key].real == "STOPPED"


async def test_rule_n9_a_lost_answer_is_decided_by_reading_the_state_back(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, faults={"sim-0001": "lost-answer"})
    site = simulator.sites["sim-0001"]
    key = next(iter(site.services))
    async with client_of(simulator, write_inventory) as client:
        answer = await client.ask(ops.services.stop(ServiceId.parse(key)))
        assert answer.outcome == "changed"
        assert site.count("stop") == 1
        with pytest.raises(FateUnknown):
            await client.ask(operation_for("admin/logs/clean")[0])
    assert site.count("clean") == 1, "a change that can't be looked at is never sent twice"


async def test_wire_7_1_a_change_that_outlasts_its_limit_is_unknown_and_goes_on(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    key = next(iter(site.services))
    site.switches.stop_time = 2.5
    async with client_of(simulator, write_inventory, timeout=0.3) as client:
        with pytest.raises(FateUnknown):
            await client.ask(ops.services.stop(ServiceId.parse(key)))
        assert site.services[key].real == "STOPPING"
        with anyio.fail_after(10):
            while site.services[key].real != "STOPPED":
                await anyio.sleep(0.1)
    assert site.count("stop") == 1


async def test_wire_4_1_a_lock_is_waited_out(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, faults={"sim-0001": "locked"})
    site = simulator.sites["sim-0001"]
    key = next(iter(site.services))
    async with client_of(simulator, write_inventory) as client:
        answer = await client.ask(ops.services.stop(ServiceId.parse(key)))
    assert answer.outcome == "changed"
    assert site.count("stop") > 1


async def test_wire_4_4_a_lock_that_never_clears_ends_as_locked(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, faults={"sim-0001": "locked-forever"})
    key = next(iter(simulator.sites["sim-0001"].services))
    policy = RetryPolicy(base=0.05, cap=0.1, settle=0.5, lock_patience=0.3)
    async with client_of(simulator, write_inventory, policy=policy) as client:
        with pytest.raises(Locked):
            await client.ask(ops.services.stop(ServiceId.parse(key)))


async def test_wire_3_4_a_failed_start_is_told_with_each_machine_s_report(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, faults={"sim-0001": "start-fails"})
    key = next(iter(simulator.sites["sim-0001"].services))
    async with client_of(simulator, write_inventory) as client:
        await client.ask(ops.services.stop(ServiceId.parse(key)))
        with pytest.raises(ServerFailed, match="the data is not there"):
            await client.ask(ops.services.start(ServiceId.parse(key)))


async def test_a_change_to_what_is_so_already_is_no_change_and_is_not_sent(
    simulator: Simulator, write_inventory: Write
) -> None:
    site = simulator.sites["sim-0001"]
    service = ServiceId.parse(next(iter(site.services)))
    async with client_of(simulator, write_inventory) as client:
        started = await client.ask(ops.services.start(service))
        stopped = await client.ask(ops.services.stop(service))
        again = await client.ask(ops.services.stop(service))
    assert [started.outcome, stopped.outcome, again.outcome] == ["noop", "changed", "noop"]
    assert (site.count("start"), site.count("stop")) == (0, 1)


async def test_a_site_that_refuses_by_a_lock_what_is_so_already_is_not_said_to_have_changed(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, faults={"sim-0001": "locked-forever"})
    service = ServiceId.parse(next(iter(simulator.sites["sim-0001"].services)))
    async with client_of(
        simulator, write_inventory, policy=RetryPolicy(base=0.01, cap=0.02, lock_patience=0.1)
    ) as client:
        assert (await client.ask(ops.services.start(service))).outcome == "noop"
        with pytest.raises(Locked):
            await client.ask(ops.services.stop(service))


async def test_a_change_is_not_sent_to_a_site_whose_state_can_t_be_asked(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, faults={"sim-0001": "reset"})
    async with client_of(simulator, write_inventory) as client:
        with pytest.raises(ConnectFailed):
            await client.ask(ops.site.set_mode("READ_ONLY"))
    assert simulator.sites["sim-0001"].count("update") == 0


async def test_a_preview_of_what_no_state_tells_looks_at_the_resource(
    simulator: Simulator, write_inventory: Write
) -> None:
    site = simulator.sites["sim-0001"]
    key = next(iter(site.services))
    async with client_of(simulator, write_inventory) as client:
        there = await client.preview(operation_for(f"admin/services/{key}/delete")[0])
        with pytest.raises(NotFound):
            await client.preview(operation_for("admin/services/Nowhere.MapServer/delete")[0])
    assert there.outcome == "changed"
    assert site.count("delete") == 0
    assert key in site.services


async def test_a_site_that_wants_a_token_where_most_want_none_gets_one(
    simulator: Simulator, write_inventory: Write
) -> None:
    operation: Operation[dict[str, object]] = Operation(name="machines", path="admin/machines", token=False)
    async with client_of(simulator, write_inventory) as client:
        assert (await client.call(operation))["machines"]
    assert [entry.code for entry in simulator.sites["sim-0001"].requests("machines")] == [499, None]


async def test_wire_7_6_read_only_mode_refuses_changes(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, faults={"sim-0001": "read-only"})
    key = next(iter(simulator.sites["sim-0001"].services))
    async with client_of(simulator, write_inventory) as client:
        with pytest.raises(Forbidden):
            await client.ask(ops.services.stop(ServiceId.parse(key)))


async def test_rule_j4_a_yes_that_the_state_contradicts_is_no_success(
    simulator: Simulator, write_inventory: Write
) -> None:
    site = simulator.sites["sim-0001"]
    from fleet.admin.operation import Effect, Operation
    from fleet.admin.readback import mode_is

    lie = Operation(
        name="logs.clean", path="admin/logs/clean", method="POST", effect=Effect.CHANGE, read_back=mode_is("READ_ONLY")
    )
    async with client_of(simulator, write_inventory) as client:
        with pytest.raises(VerifyFailed):
            await client.ask(lie)
    assert site.count("clean") == 1


async def test_one_change_at_a_time_per_site(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, services=6)
    site = simulator.sites["sim-0001"]
    site.switches.stop_time = 0.05
    async with client_of(simulator, write_inventory) as client, anyio.create_task_group() as group:
        for key in site.services:
            group.start_soon(client.ask, ops.services.stop(ServiceId.parse(key)))
    stops = [place for place, entry in enumerate(site.requests()) if entry.operation in ("stop", "status")]
    names = [site.requests()[place].operation for place in stops]
    assert names == ["status", "stop", "status"] * 6, "each change is looked at before the next one is sent"


async def test_wire_11_a_federated_site_takes_the_portal_s_token_and_the_portal_one_login(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=3, federated=True)
    inventory = inventory_of(simulator, write_inventory)
    async with Clients() as clients:
        for name in inventory.sites:
            await clients[inventory[name]].call(ops.info.admin())
    assert simulator.portal is not None
    assert simulator.portal.count("generateToken") == 1
    assert all(site.count("generateToken") == 0 for site in simulator.sites.values())


async def test_wire_5_16_a_portal_token_is_exchanged_where_the_inventory_asks_for_it(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=2, federated=True)
    text = simulator.inventory_toml().replace('kind = "portal",', 'kind = "portal", exchange = true,')
    inventory = load([Source(write_inventory(text), trusted=True)])
    async with Clients() as clients:
        for name in inventory.sites:
            await clients[inventory[name]].call(ops.info.admin())
    assert simulator.portal is not None
    assert simulator.portal.count("generateToken") == 3, "one login, and one exchange for each site"


async def test_rule_t8_a_portal_that_only_the_site_names_gets_nothing(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, federated=True, faults={"sim-0001": "wrong-password"})
    assert simulator.portal is not None
    text = "\n".join(line for line in simulator.inventory_toml().splitlines() if not line.startswith("auth"))
    inventory = load([Source(write_inventory(text), trusted=True)])
    async with Clients() as clients:
        with pytest.raises(LoginRefused, match="federated with") as caught:
            await clients[inventory["sim-0001"]].call(ops.info.admin())
    assert caught.value.hint is not None
    assert f'portal = "{simulator.portal.url}"' in caught.value.hint
    assert simulator.portal.count() == 0


async def test_rule_n2_certificates_are_verified_and_told_apart(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=3, tls=True, faults={"sim-0002": "cert-expired", "sim-0003": "cert-name"})
    inventory = inventory_of(simulator, write_inventory)
    untrusting = load(
        [
            Source(
                write_inventory(
                    "\n".join(line for line in simulator.inventory_toml().splitlines() if "tls" not in line)
                ),
                trusted=True,
            )
        ]
    )
    async with Clients() as clients:
        client = clients[inventory["sim-0001"]]
        await client.call(ops.info.admin())
        certificate = await client.certificate()
        assert certificate is not None
        assert certificate.verified
        assert certificate.not_after is not None
        with pytest.raises(TlsFailed, match="expired"):
            await clients[inventory["sim-0002"]].call(ops.info.admin())
        with pytest.raises(TlsFailed, match="another name"):
            await clients[inventory["sim-0003"]].call(ops.info.admin())
    async with Clients() as clients:
        with pytest.raises(TlsFailed, match="not trusted"):
            await clients[untrusting["sim-0001"]].call(ops.info.admin())
    assert all(entry.site == "sim-0001" for entry in simulator.ledger), "nothing was sent to the others"
