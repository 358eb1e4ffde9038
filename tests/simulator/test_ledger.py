"""The ledger of a simulator: one line for each request, flushed before the answer, without secrets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from fleet import Fleet, ops
from fleet.auth.rsa import encrypt_form
from fleet.protocol.fields import ServiceId
from fleet.simulator import Simulator
from tests.wire import admin, ask, first_service, sign_in

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

MEMBERS = ["seq", "at", "site", "method", "path", "operation", "params", "token_in", "status", "code", "changed"]


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


async def test_each_request_is_one_line_that_is_there_before_its_answer(simulate: Simulate, tmp_path: Path) -> None:
    path = tmp_path / "ledger.ndjson"
    simulator = await simulate(sites=2, ledger=path)
    site = simulator.sites["sim-0002"]
    token = await sign_in(site)
    for known in range(1, 6):
        assert len(lines(path)) == known
        await admin(site, "machines", token)
    key = first_service(site)
    await admin(site, f"services/{key}/stop", token)
    told = lines(path)
    assert [list(line) for line in told] == [MEMBERS] * 7
    assert [line["seq"] for line in told] == [1, 2, 3, 4, 5, 6, 7]
    assert {line["site"] for line in told} == {"sim-0002"}
    assert [line["changed"] for line in told] == [False] * 6 + [True]
    assert told[-1]["operation"] == "stop"
    assert told[-1]["path"] == f"/arcgis/admin/services/{key}/stop"


async def test_it_tells_where_the_token_was(simulate: Simulate) -> None:
    site = (await simulate(sites=1)).sites["sim-0001"]
    token = await sign_in(site)
    place = f"{site.url}/admin/machines"
    await ask(place)
    await ask(place, {"token": token})
    await ask(place, form={"token": token})
    await ask(place, headers={"X-Esri-Authorization": f"Bearer {token}"})
    await ask(place, headers={"Authorization": f"Bearer {token}"})
    await ask(place, headers={"Cookie": f'agstoken="{token}"'})
    seen = [(entry.token_in, entry.code) for entry in site.requests("machines")]
    assert seen == [
        ("none", 499),
        ("query", None),
        ("body", None),
        ("header", None),
        ("header", None),
        ("cookie", None),
    ]


async def test_no_secret_enters_it(simulate: Simulate, tmp_path: Path) -> None:
    path = tmp_path / "ledger.ndjson"
    simulator = await simulate(sites=1, ledger=path, password="Secret-of-the-site")
    site = simulator.sites["sim-0001"]
    token = await sign_in(site)
    await ask(f"{site.url}/admin/machines", {"Token": token})
    await admin(site, "security/users/add", token, username="ops", password="Secret-of-ops")
    await admin(site, "security/psa/update", token, username="siteadmin", PASSWORD="Secret-of-the-chief")
    config = json.dumps({"properties": {"sharedKey": "Secret-of-tokens", "shortTimeout": "60"}})
    await admin(site, "security/tokens/update", token, tokenManagerConfig=config)
    token = await sign_in(site)
    store = json.dumps({"type": "LDAP", "properties": {"userPassword": "Secret-of-ldap", "user": "cn=reader"}})
    await admin(site, "security/config/updateIdentityStore", token, userStoreConfig=store, roleStoreConfig=store)
    key = (await ask(f"{site.url}/admin/publicKey")).json
    form = encrypt_form({"username": "siteadmin", "password": "Secret-of-the-chief"}, key)
    assert "token" in (await ask(f"{site.url}/admin/generateToken", form=form)).json
    text = path.read_text(encoding="utf-8")
    assert "Secret-of" not in text
    assert token not in text
    assert form["password"] not in text
    assert "cn=reader" in text
    assert text.count('"***"') > 5


@pytest.mark.parametrize("fault", ["reset", "hang", "slow", "redirect-away", "html", "lost-answer"])
async def test_requests_that_end_otherwise_are_told_when_they_end(simulate: Simulate, fault: str) -> None:
    site = (await simulate(sites=1)).sites["sim-0001"]
    token, key = await sign_in(site), first_service(site)
    site.fault(fault)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError, TimeoutError, ValueError)):
        answer = await asyncio.wait_for(
            admin(site, f"services/{key}/stop", token), 0.5 if fault in ("hang", "slow") else 20.0
        )
        assert answer.json
    with anyio.fail_after(20):
        while len(site.requests()) < 2:
            await anyio.sleep(0.01)  # that the caller has left is seen a moment later
    seen = [(entry.status, entry.changed) for entry in site.requests()[1:]]
    expected = {
        "reset": [(0, False)],
        "hang": [(0, False)],
        "slow": [(0, False)],
        "redirect-away": [(302, False)],
        "html": [(200, False)],
        "lost-answer": [(200, True)],
    }
    assert seen == expected[fault]


async def test_it_is_the_proof_that_no_token_is_in_an_address(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, federated=True)
    keys = {name: ServiceId.parse(first_service(site)) for name, site in simulator.sites.items()}
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        await fleet.select().run(ops.services.report(services=list(keys.values())))
        await fleet.select().run(ops.logs.query())
        for name, key in keys.items():
            await fleet.select(name).run(ops.services.stop(key))
    assert {entry.token_in for entry in simulator.ledger} == {"none", "header", "body"}
    assert [entry.seq for entry in simulator.ledger] == list(range(1, len(simulator.ledger) + 1))
