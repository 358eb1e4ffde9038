"""The check of a site's certificate: its days, its chain, and what is wrong with one that is refused."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
import trustme

from fleet.client.handshake import peer_certificate
from fleet.client.names import Names
from fleet.client.shown import shown
from fleet.client.sockets import Sockets, sockets_allowed
from fleet.fanout.fleet import Fleet
from fleet.health import HealthOptions, sweep
from fleet.simulator import Simulator

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

EXTRA = "install arcgis-fleet[crypto]"


def road() -> tuple[Names, Sockets]:
    """How names are looked up, and where sockets come from."""
    return Names(), Sockets(sockets_allowed())


async def checked(inventory: Path, *only: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """The outcome of each site, and what the check `tls` found there."""
    async with Fleet.from_inventory(inventory, timeout="5s") as fleet:
        report = await sweep(fleet.select(), HealthOptions(only=("tls", *only)))
    return {outcome.site: (outcome.outcome, outcome.value["checks"][0]) for outcome in report.outcomes}


async def test_days_and_chain_of_good_certificates(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, tls=True, faults={"sim-0002": "cert-issuer-ending"})
    found = await checked(write_inventory(simulator), "login")
    outcome, good = found["sim-0001"]
    assert (outcome, good["status"]) == ("ok", "warning")
    assert good["saw"] == "the certificate ends in 20 days, from Simulated Authority"
    assert good["items"] == [
        "localhost, from Simulated Authority: ends in 20 days",
        "Simulated Authority: not sent, and trusted here: ends in 30 days",
    ]
    outcome, ending = found["sim-0002"]
    assert (outcome, ending["status"]) == ("failed", "critical")
    assert ending["saw"] == (
        "the certificate ends in 20 days, from Simulated Authority Two; "
        "the weakest of its issuers, Simulated Authority Two, ends in 5 days"
    )
    assert ending["items"][1] == "Simulated Authority Two, from Simulated Authority: ends in 5 days"
    assert "lasts longer than Simulated Authority Two" in ending["advice"]
    assert all(entry.operation == "generateToken" for entry in simulator.ledger), "looking sends no request"


@pytest.mark.parametrize(
    ("fault", "saw", "advice", "last"),
    [
        (
            "cert-expired",
            "the certificate has expired: it is for localhost, 127.0.0.1, from Simulated Authority, and ended 1.0 days ago",
            "renew the certificate",
            "Simulated Authority: not sent",
        ),
        (
            "cert-name",
            "the certificate is for another name than localhost: it is for elsewhere.example, from Simulated Authority, "
            "and ends in 20 days",
            "use the name in the certificate",
            "Simulated Authority: not sent",
        ),
        (
            "cert-self-signed",
            "the certificate comes from an authority that is not trusted here: it is for localhost, 127.0.0.1, "
            "from localhost, and ends in 20 days",
            "name the authority",
            "localhost, from localhost: ends in 20 days",
        ),
        (
            "cert-incomplete",
            "the certificate comes from an authority that is not trusted here: it is for localhost, 127.0.0.1, "
            "from Simulated Authority Two, and ends in 20 days; the certificate of Simulated Authority Two is not sent, "
            "and not trusted here",
            "let the web server send the certificate of Simulated Authority Two too",
            "Simulated Authority Two: not sent, and missing here",
        ),
    ],
)
async def test_a_certificate_that_is_refused_is_told_all_the_same(
    simulate: Simulate, write_inventory: Write, fault: str, saw: str, advice: str, last: str
) -> None:
    simulator = await simulate(sites=1, tls=True, faults={"sim-0001": fault})
    for more in ((), ("login", "mode")):
        outcome, found = (await checked(write_inventory(simulator), *more))["sim-0001"]
        assert outcome == "unreachable"
        assert found["status"] == "critical"
        assert found["saw"] == saw
        assert advice in found["advice"]
        assert found["items"][-1] == last
        assert found["error"]["kind"] == "tls"
    assert simulator.ledger == [], "nothing was asked of a site that could not prove who it is"


async def test_a_certificate_that_nobody_verifies_and_one_that_is_pinned(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=3, tls=True, faults={"sim-0001": "cert-self-signed"})
    text = simulator.inventory_toml()
    wrong = '[sites.sim-0003]\ntls = { pin = "sha256:' + "0" * 64 + '" }'
    found = await checked(write_inventory(text.replace("[sites.sim-0003]", wrong)))
    pin = found["sim-0003"][1]["saw"].split("it is ")[1].split(")")[0]
    assert (
        "it is for localhost, 127.0.0.1, from Simulated Authority, and ends in 20 days" in found["sim-0003"][1]["saw"]
    )
    for name, tls in (("1", "verify = false"), ("2", "verify = false"), ("3", f'pin = "{pin}"')):
        text = text.replace(f"[sites.sim-000{name}]", f"[sites.sim-000{name}]\ntls = {{ {tls} }}")
    text += "\n[defaults.checks]\ntls = { warning = 10, critical = 5 }\n"
    found = await checked(write_inventory(text))
    outcome, self_signed = found["sim-0001"]
    assert (outcome, self_signed["status"]) == ("ok", "warning")
    assert self_signed["saw"].startswith(
        "the certificate is not verified; it is for localhost, 127.0.0.1; the certificate ends in 20 days"
    )
    assert "in place of verify = false" in self_signed["advice"]
    assert found["sim-0002"][1]["status"] == "warning"
    outcome, pinned = found["sim-0003"]
    assert (outcome, pinned["status"]) == ("ok", "ok")
    assert pinned["saw"] == (
        "the certificate is the pinned one, for localhost, 127.0.0.1, and ends in 20 days, from Simulated Authority"
    )


async def test_an_issuer_that_only_we_trust_by_itself_is_told(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    authority = trustme.CA()
    between = authority.create_child_ca()
    leaf = between.issue_cert("localhost")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(authority.cert_pem.bytes() + between.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.private_key_pem.write_to_path(tmp_path / "leaf.pem")
    leaf.cert_chain_pems[0].write_to_path(tmp_path / "leaf.pem", append=True)
    context.load_cert_chain(tmp_path / "leaf.pem")
    async with serving(context) as url:
        text = f'[sites.a]\nurl = "{url}"\ntls = {{ ca = "{trusted}" }}\n'
        _, found = (await checked(write_inventory(text)))["a"]
    assert found["status"] == "warning"
    assert "that of its issuer is not sent, and who trusts only the root refuses it" in found["saw"]


# What a server shows


@asynccontextmanager
async def serving(context: ssl.SSLContext) -> AsyncIterator[str]:
    """A server that speaks TLS with *context* and says nothing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(1)
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield f"https://localhost:{listening.sockets[0].getsockname()[1]}/arcgis"


def contexts(
    *, newest: ssl.TLSVersion | None = None, oldest: ssl.TLSVersion | None = None, demanding: bool = False
) -> tuple[ssl.SSLContext, ssl.SSLContext, list[bytes]]:
    """A server's context, a client's that trusts it, and what the server sends: its own and the one between."""
    authority = trustme.CA()
    leaf = authority.create_child_ca().issue_cert("localhost", "127.0.0.1")
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    leaf.configure_cert(server)
    authority.configure_trust(client)
    if newest is not None:
        server.maximum_version = newest
    if oldest is not None:
        server.minimum_version = oldest
    if demanding:
        authority.configure_trust(server)
        server.verify_mode = ssl.CERT_REQUIRED
    return server, client, [ssl.PEM_cert_to_DER_cert(pem.bytes().decode()) for pem in leaf.cert_chain_pems]


@pytest.mark.parametrize("demanding", [False, True])
@pytest.mark.parametrize("newest", [None, ssl.TLSVersion.TLSv1_2])
async def test_a_server_is_seen_to_send_its_whole_chain(newest: ssl.TLSVersion | None, demanding: bool) -> None:
    server, _, sent = contexts(newest=newest, demanding=demanding)
    async with serving(server) as url:
        found = await shown(url, *road())
    assert found is not None
    assert (list(found.certificates), found.whole) == (sent, True)


async def test_of_a_server_with_tls_1_3_alone_an_older_python_sees_the_first_certificate_and_says_so() -> None:
    server, client, sent = contexts(oldest=ssl.TLSVersion.TLSv1_3)
    async with serving(server) as url:
        found = await shown(url, *road())
        judged = await peer_certificate(url, client, *road(), sent=True)
    sees = sys.version_info >= (3, 13)
    assert found is not None
    assert (list(found.certificates), found.whole) == (sent if sees else sent[:1], sees)
    assert (judged.verified, list(judged.sent), judged.whole) == (True, sent if sees else sent[:1], sees)


async def test_a_server_that_is_not_there_or_speaks_no_tls_shows_nothing() -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(rude, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        assert await shown(f"https://localhost:{port}/arcgis", *road()) is None
    assert await shown(f"https://localhost:{port}/arcgis", *road()) is None


# What stands in the way


async def test_a_sweep_and_a_call_tell_the_same_cause(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, tls=True, faults={"sim-0001": "refused"})
    text = simulator.inventory_toml() + '\n[sites.nameless]\nurl = "https://nosuch.invalid/arcgis"\n'
    from fleet import ops

    async with Fleet.from_inventory(write_inventory(text)) as fleet:
        called = await fleet.select().run(ops.info.rest())
        swept = await sweep(fleet.select())
    for call, health in zip(called.outcomes, swept.outcomes, strict=True):
        assert (call.outcome, health.outcome) == ("unreachable", "unreachable")
        assert call.error.message == health.error.message  # type: ignore[union-attr]
        assert call.error.hint == health.error.hint  # type: ignore[union-attr]
    assert called.outcomes[0].error.message == "connection refused"  # type: ignore[union-attr]
    assert called.outcomes[1].error.message == "the name nosuch.invalid is not known"  # type: ignore[union-attr]


async def test_without_the_extra_what_needs_it_is_skipped_and_says_so(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=3, tls=True, faults={"sim-0002": "cert-expired"})
    text = simulator.inventory_toml().replace("[sites.sim-0003]", "[sites.sim-0003]\ntls = { verify = false }")
    missing = tmp_path / "without" / "cryptography"
    missing.mkdir(parents=True)
    (missing / "__init__.py").write_text("raise ImportError('not installed')\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "fleet",
        "health",
        "--check",
        "tls",
        "-i",
        str(write_inventory(text)),
        "-o",
        "json",
    ]
    environment = {**os.environ, "PYTHONPATH": str(missing.parent)}
    done = await anyio.to_thread.run_sync(
        lambda: subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    )
    assert done.returncode == 1, done.stderr
    verified, expired, unverified = (
        (outcome["outcome"], outcome["value"]["checks"][0]) for outcome in json.loads(done.stdout)["outcomes"]
    )
    assert verified[0] == "ok"
    assert verified[1]["status"] == "warning"
    assert (
        verified[1]["saw"] == f"the certificate ends in 20 days, from Simulated Authority; its chain skipped: {EXTRA}"
    )
    assert expired[0] == "unreachable"
    assert expired[1]["saw"] == f"the certificate has expired; its days and names skipped: {EXTRA}"
    assert unverified[0] == "ok"
    assert (unverified[1]["status"], unverified[1]["saw"]) == ("skipped", EXTRA)


async def test_looks_at_certificates_take_no_more_descriptors_than_there_are_and_wait_without_haste() -> None:
    server, client, _ = contexts()
    open_now = most = 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        with suppress(ConnectionError, ssl.SSLError):
            await reader.read()
        open_now -= 1
        writer.close()

    with socket.socket() as free:
        lowest = free.fileno()
    listening = await asyncio.start_server(slow, "127.0.0.1", 0, ssl=server)
    url = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}/arcgis"
    found = []
    async with listening, anyio.create_task_group() as group:

        async def look(sockets: Sockets) -> None:
            found.append(await peer_certificate(url, client, Names(), sockets, sent=True))

        sockets = Sockets(lowest + 8)
        for _ in range(40):
            group.start_soon(look, sockets)
    assert [certificate.verified for certificate in found] == [True] * 40
    assert 1 <= most <= 8
