"""Certificates end to end: authorities, pins, our own, and none at all, on both event loops."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from fleet import Fleet
from fleet import admin as ops
from fleet.simulator import Simulator
from tests.processes import FLEET, fleet, free_base, outcomes_of
from tests.tlsserver import server

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

LOOPS = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


def with_tls(simulator: Simulator, tls: str) -> str:
    """The simulator's inventory with the table *tls* in its defaults in place of its own."""
    return re.sub(r"^tls = .*$", lambda _: f"tls = {{ {tls} }}", simulator.inventory_toml(), flags=re.MULTILINE)


def pin_of(simulator: Simulator, name: str = "sim-0001") -> str:
    """The pin of the certificate that a simulated site shows."""
    port = int(simulator.sites[name].url.split(":")[2].split("/")[0])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if simulator.client_file is not None:
        context.load_cert_chain(simulator.client_file)
    with socket.create_connection(("127.0.0.1", port)) as raw, context.wrap_socket(raw) as channel:
        return f"sha256:{hashlib.sha256(channel.getpeercert(binary_form=True) or b'').hexdigest()}"


async def call(
    write_inventory: Write, text: str, *more: str, loop: str = "uvloop", env: dict[str, str] | None = None
) -> dict[str, Any]:
    done = await fleet(
        "call",
        "admin/info",
        "-i",
        str(write_inventory(text)),
        "-o",
        "ndjson",
        *more,
        env={"FLEET_LOOP": loop, **(env or {})},
    )
    assert "Traceback" not in done.stderr
    return outcomes_of(done)


async def pinned(simulator: Simulator, name: str = "sim-0001") -> str:
    return await anyio.to_thread.run_sync(pin_of, simulator, name)


# Judging the site


@LOOPS
async def test_rule_n2_a_pin_takes_the_one_certificate_and_no_other(
    simulate: Simulate, write_inventory: Write, loop: str
) -> None:
    simulator = await simulate(sites=3, tls=True, faults={"sim-0002": "cert-name", "sim-0003": "cert-expired"})
    pin = await pinned(simulator)
    found = await call(write_inventory, with_tls(simulator, f'pin = "{pin}"'), loop=loop)
    assert found["sim-0001"]["outcome"] == "ok", "no authority is asked for the pinned certificate"
    for name in ("sim-0002", "sim-0003"):
        error = found[name]["error"]
        assert (found[name]["outcome"], error["kind"]) == ("unreachable", "tls")
        assert error["message"] == f"the certificate is not the pinned one (it is {await pinned(simulator, name)})"
        assert "change the pin" in error["hint"]
        assert simulator.sites[name].count() == 0, "nothing was sent"
    renewed = await call(
        write_inventory, with_tls(simulator, f'pin = "{await pinned(simulator, "sim-0003")}"'), "-s", "sim-0003"
    )
    assert renewed["sim-0003"]["outcome"] == "ok", "the pin in the message is the one that fits"


@LOOPS
async def test_rule_n2_with_an_authority_a_pin_is_one_more_condition(
    simulate: Simulate, write_inventory: Write, loop: str
) -> None:
    simulator = await simulate(sites=2, tls=True, faults={"sim-0002": "cert-name"})
    good, misnamed = await pinned(simulator), await pinned(simulator, "sim-0002")
    both = f'ca = "{simulator.ca_file}", pin = '
    found = await call(write_inventory, with_tls(simulator, f'{both}"{good}"'), loop=loop)
    assert found["sim-0001"]["outcome"] == "ok"
    found = await call(write_inventory, with_tls(simulator, f'{both}"{misnamed}"'), loop=loop)
    assert "not the pinned one" in found["sim-0001"]["error"]["message"]
    assert "another name" in found["sim-0002"]["error"]["message"], "the pinned certificate is judged all the same"


async def test_verify_false_takes_any_certificate_and_every_format_says_so(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=2, tls=True, faults={"sim-0002": "cert-expired"})
    path = str(write_inventory(with_tls(simulator, "verify = false")))
    sentence = "the certificate is not verified"
    for form in ("table", "json", "ndjson", "csv", "markdown"):
        done = await fleet("call", "admin/info", "-i", path, "-o", form)
        assert done.returncode == 0, done.stdout
        told = done.stdout if form in ("table", "json") else done.stderr
        assert sentence in told, form
        if form == "json":
            assert json.loads(done.stdout)["warnings"] == [
                {"site": f"sim-000{n}", "kind": "tls_unverified", "message": sentence} for n in (1, 2)
            ]
        else:
            assert f"warning: {sentence}: sim-[0001-0002]" in told
    for form in ("table", "json", "ndjson", "csv", "markdown", "junit", "nagios"):
        done = await fleet("health", "--check", "login", "-i", path, "-o", form)
        assert sentence in (done.stderr if form in ("ndjson", "csv", "markdown") else done.stdout), form


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_rule_n2_nothing_older_than_tls_1_2_is_spoken(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    lax = tmp_path / "openssl.cnf"
    lax.write_text(
        "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n"
        "[c]\nMinProtocol = TLSv1\nCipherString = DEFAULT@SECLEVEL=0\n"
    )
    text = '[sites.old]\nurl = "https://localhost:{}/arcgis"\ntls = {{ ca = "ca.pem" }}\nusername = "a"\n'
    for version, spoken in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)):
        with server(authority, limit=version) as port:
            found = await call(
                write_inventory,
                text.format(port) + 'password = "x"\nallow_plaintext = true\n',
                env={"OPENSSL_CONF": str(lax)},
            )
        error = found["old"]["error"]
        if spoken:
            assert error["message"] == "the account was refused: no"
        else:
            assert (error["kind"], found["old"]["outcome"]) == ("tls", "unreachable")
            assert "TLS 1.2 or newer" in error["hint"]


def chain_file(folder: Path, *, days: tuple[int, int, int]) -> Path:
    """A server's key with its chain, and `root.pem` beside it; *days* are left of root, intermediate and certificate."""
    now = datetime.datetime.now(datetime.UTC)
    parent: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None = None
    made: list[bytes] = []
    for number, (name, left) in enumerate(zip(("Root", "Between", "localhost"), days, strict=True)):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer, signer = parent or (subject, key)
        builder = (
            x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=left, hours=1))
            .add_extension(x509.BasicConstraints(ca=number < 2, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        )
        made.append(builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM))
        parent = (subject, key)
    assert parent is not None
    (folder / "root.pem").write_bytes(made[0])
    secret = parent[1].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "chain.pem").write_bytes(secret + made[2] + made[1])
    return folder / "chain.pem"


async def test_rule_n2_the_days_of_the_whole_chain_count_where_it_can_be_read(
    write_inventory: Write, tmp_path: Path
) -> None:
    (tmp_path / "without" / "cryptography").mkdir(parents=True)
    (tmp_path / "without" / "cryptography" / "__init__.py").write_text("raise ImportError('not installed')\n")
    without = {"PYTHONPATH": str(tmp_path / "without")}

    async def check(port: int, tls: str, env: dict[str, str] | None = None) -> tuple[str, str]:
        path = write_inventory(f'[sites.a]\nurl = "https://localhost:{port}/arcgis"\ntls = {{ {tls} }}\n')
        done = await fleet("health", "--check", "tls", "-i", str(path), "-o", "ndjson", env=env)
        found = outcomes_of(done)["a"]["value"]["checks"][0]
        return found["status"], found["saw"]

    with server(chain_file(tmp_path, days=(300, 5, 200))) as port:
        assert await check(port, 'ca = "root.pem"') == (
            "critical",
            "the certificate ends in 200 days, from Between; the weakest of its issuers, Between, ends in 5 days",
        )
        assert await check(port, 'ca = "root.pem"', without) == (
            "ok",
            "the certificate ends in 200 days, from Between; its chain skipped: install arcgis-fleet[crypto]",
        )
        assert await check(port, "verify = false") == (
            "critical",
            "the certificate is not verified; it is for localhost; the certificate ends in 200 days, from Between; "
            "the weakest of its issuers, Between, ends in 5 days",
        )
        assert await check(port, "verify = false", without) == (
            "skipped",
            "install arcgis-fleet[crypto]",
        )
    with server(chain_file(tmp_path, days=(300, 250, 200))) as port:
        assert await check(port, 'ca = "root.pem"') == ("ok", "the certificate ends in 200 days, from Between")


# Showing ourselves


@LOOPS
async def test_our_certificate_is_shown_with_an_authority_a_pin_and_both(
    simulate: Simulate, write_inventory: Write, loop: str
) -> None:
    simulator = await simulate(sites=2, mutual_tls=True)
    assert simulator.client_file is not None
    ca, pin = f'ca = "{simulator.ca_file}"', f'pin = "{await pinned(simulator)}"'
    ours = f'cert = "{simulator.client_file}"'
    found = await call(write_inventory, simulator, loop=loop)  # type: ignore[arg-type]
    assert {o["outcome"] for o in found.values()} == {"ok"}
    for judged in (pin, f"{ca}, {pin}", "verify = false"):
        found = await call(write_inventory, with_tls(simulator, f"{judged}, {ours}"), "-s", "sim-0001", loop=loop)
        assert found["sim-0001"]["outcome"] == "ok", judged
    report = json.loads((await fleet("health", "-i", str(write_inventory(simulator)), "--check", "tls")).stdout)
    assert {o["value"]["checks"][0]["status"] for o in report["outcomes"]} == {"warning"}, "twenty days are left"


@LOOPS
async def test_a_server_that_demands_a_certificate_and_gets_none_is_tls_with_a_hint(
    simulate: Simulate, write_inventory: Write, loop: str
) -> None:
    simulator = await simulate(sites=1, mutual_tls=True)
    pin = await pinned(simulator)
    for judged in (f'ca = "{simulator.ca_file}"', f'pin = "{pin}"'):
        found = await call(write_inventory, with_tls(simulator, judged), loop=loop)
        error = found["sim-0001"]["error"]
        assert (found["sim-0001"]["outcome"], error["kind"]) == ("unreachable", "tls")
        assert "right after the TLS handshake" in error["message"]
        assert 'tls = { cert = "ours.pem", key = "ours.key" }' in error["hint"]
        assert found["sim-0001"]["attempts"] == 1, "it would be refused again"
    assert simulator.ledger == []


@LOOPS
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_an_alert_about_our_certificate_is_told_in_its_own_words(
    write_inventory: Write, tmp_path: Path, loop: str, version: ssl.TLSVersion
) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    stranger.issue_cert("me@example.com").private_key_and_cert_chain_pem.write_to_path(tmp_path / "stranger.pem")
    for ours, words in (
        ("", ("certificate required", "handshake failure")),
        (', cert = "stranger.pem"', ("unknown ca",)),
    ):
        with server(authority, limit=version, demands=True) as port:
            found = await call(
                write_inventory,
                f'[sites.a]\nurl = "https://localhost:{port}/arcgis"\ntls = {{ ca = "ca.pem"{ours} }}\n'
                'username = "a"\npassword = "x"\nallow_plaintext = true\n',
                loop=loop,
            )
        error = found["a"]["error"]
        assert (found["a"]["outcome"], error["kind"]) == ("unreachable", "tls"), error
        assert any(word in error["message"] for word in words), error
        assert "tls = { cert =" in error["hint"]


async def test_the_key_of_our_certificate_may_have_a_password(simulate: Simulate, tmp_path: Path) -> None:
    simulator = await simulate(sites=1, mutual_tls=True)
    assert simulator.client_file is not None
    whole = simulator.client_file.read_bytes()
    key = load_pem_private_key(whole, None)
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"key secret"))
    (tmp_path / "ours.key").write_bytes(sealed)
    (tmp_path / "ours.pem").write_bytes(whole[whole.index(b"-----BEGIN CERTIFICATE") :])
    stranger = trustme.CA().issue_cert("me@example.com")
    stranger.private_key_pem.write_to_path(tmp_path / "other.key")
    ca = f'ca = "{simulator.ca_file}"'

    def write(text: Simulator | str) -> Path:
        (tmp_path / "i.toml").write_text(str(text))
        return tmp_path / "i.toml"

    cases = {
        'cert = "ours.pem", key = "ours.key", key_password = { env = "KEY" }': None,
        'cert = "ours.pem", key = "ours.key"': "the key of our certificate is encrypted",
        'cert = "ours.pem", key = "ours.key", key_password = { env = "WRONG" }': "key_password does not open the key",
        'cert = "ours.pem", key = "ours.key", key_password = { env = "UNSET" }': "the variable UNSET is not set",
        'cert = "ours.pem", key = "other.key"': "key values mismatch",
        'cert = "nowhere.pem"': "cert under tls can't be used",
        'cert = "i.toml"': "cert under tls can't be used",
    }
    for words, message in cases.items():
        found = await call(write, with_tls(simulator, f"{ca}, {words}"), env={"KEY": "key secret", "WRONG": "no"})
        outcome = found["sim-0001"]
        if message is None:
            assert outcome["outcome"] == "ok"
        else:
            assert (outcome["outcome"], outcome["error"]["kind"]) == ("auth_failed", "config"), outcome
            assert message in outcome["error"]["message"]
            assert "key secret" not in json.dumps(outcome)
    missing = await call(write, with_tls(simulator, 'ca = "nowhere.pem"'))
    assert "ca under tls can't be used" in missing["sim-0001"]["error"]["message"]
    assert "No such file" in missing["sim-0001"]["error"]["message"]


def test_simulated_sites_demand_the_certificate_of_their_inventory(tmp_path: Path) -> None:
    out = tmp_path / "s.toml"
    arguments = ["simulate", "--sites", "1", "--port", str(free_base(1)), "--mutual-tls", "--inventory-out", str(out)]
    with subprocess.Popen([*FLEET, *arguments], stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert running.stderr.readline().startswith("ready: 1 site")
        done = subprocess.run(
            [*FLEET, "call", "admin/info", "-i", str(out)], capture_output=True, text=True, check=False
        )
        running.terminate()
        running.wait(20)
    assert done.returncode == 0, done.stdout + done.stderr


# What it costs


async def test_one_context_serves_all_sites_of_an_identity(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=30, tls=True)
    pin = await pinned(simulator)
    text = (
        simulator.inventory_toml()
        .replace("[sites.sim-0030]\n", f'[sites.sim-0030]\ntls = {{ pin = "{pin}" }}\n')
        .replace("[sites.sim-0029]\n", "[sites.sim-0029]\ntls = { verify = false }\n")
    )
    async with Fleet.from_inventory(write_inventory(text)) as opened:
        report = await opened.select().run(ops.info.admin())
        assert report.ok
        assert len(opened.clients.tls) == 3


@pytest.mark.parametrize("command", [["call", "admin/info"], ["health"]])
async def test_idle_tls_connections_do_not_pile_up(
    simulate: Simulate, write_inventory: Write, command: list[str]
) -> None:
    simulator = await simulate(sites=120, tls=True, services=2, folders=0, machines=1)
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, simulator.connections)
            await anyio.sleep(0.005)

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        done = await fleet(*command, "-i", str(write_inventory(simulator)), "--width", "5", "-o", "json")
        group.cancel_scope.cancel()
    assert json.loads(done.stdout)["coverage"]["answered"] == 120
    assert most <= 5 * 8, "a site that is done with holds no connection"
