"""Certificates of simulated machines: made, requested, imported, and shown by the listener that was switched to them."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from fleet.simulator import SimulatedSite, Simulator, certificates
from fleet.simulator.call import Call
from fleet.simulator.wire import Failure

pytest.importorskip("cryptography")
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.x509.oid import NameOID

Simulate = Callable[..., Awaitable[Simulator]]


def post(site: SimulatedSite, path: str, form: Mapping[str, str], files: Mapping[str, bytes] | None = None) -> Any:
    """The answer to a POST, sent over TLS without a look at the certificate."""
    import json
    import urllib.request

    context = ssl._create_unverified_context()
    line = "----simulated"
    parts = [
        f'--{line}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in {"f": "json", **form}.items()
    ]
    parts += [
        f'--{line}\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in (files or {}).items()
    ]
    request = urllib.request.Request(f"{site.url}/{path}", data=b"".join(parts) + f"--{line}--\r\n".encode())
    request.add_header("Content-Type", f"multipart/form-data; boundary={line}")
    with urllib.request.urlopen(request, context=context) as answer:
        return json.loads(answer.read())


async def asked(site: SimulatedSite, path: str, files: Mapping[str, bytes] | None = None, **form: str) -> Any:
    return await asyncio.to_thread(post, site, path, form, files)


def shown(site: SimulatedSite) -> x509.Certificate:
    """The certificate that a caller sees."""
    parts = urlsplit(site.url)
    return x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", parts.port or 443)).encode())


def common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def certificate_file(name: str, days: int, password: str) -> tuple[bytes, x509.Certificate]:
    """A key and its certificate in a file that opens with *password*."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    sealed = BestAvailableEncryption(password.encode())
    return pkcs12.serialize_key_and_certificates(b"x", key, certificate, None, sealed), certificate


async def test_the_listener_shows_the_certificate_that_the_machine_was_switched_to(simulate: Simulate) -> None:
    site = (await simulate(sites=1, machines=1, tls=True)).sites["sim-0001"]
    token = (await asked(site, "admin/generateToken", username="siteadmin", password="simulated"))["token"]
    machine = f"admin/machines/{next(iter(site.machines))}"
    first = await asyncio.to_thread(shown, site)
    file, certificate = certificate_file("gis.example.net", 33, "changeit")
    keys = f"{machine}/sslcertificates"

    refused = await asked(
        site, f"{keys}/importExistingServerCertificate", {"certFile": file}, token=token, alias="new", certPassword="no"
    )
    assert refused["messages"] == ["keystore password was incorrect"]
    done = await asked(
        site,
        f"{keys}/importExistingServerCertificate",
        {"certFile": file},
        token=token,
        alias="new",
        certPassword="changeit",
    )
    assert done == {"status": "success"}
    told = await asked(site, f"{keys}/NEW", token=token)
    assert told["aliasName"] == "new"
    assert told["subject"] == "CN=gis.example.net"
    assert told["sha256Fingerprint"] == certificate.fingerprint(hashes.SHA256()).hex()
    assert told["validUntilEpoch"] == certificate.not_valid_after_utc.timestamp() * 1000
    assert (await asyncio.to_thread(shown, site)) == first, "an import alone switches nothing"

    await asked(site, f"{machine}/edit", token=token, webServerCertificateAlias="new")
    assert await asyncio.to_thread(shown, site) == certificate
    in_use = await asked(site, f"{keys}/new/delete", token=token)
    assert in_use["code"] == 500

    await asked(site, f"{machine}/edit", token=token, webServerCertificateAlias="selfsignedcertificate")
    assert await asyncio.to_thread(shown, site) == first
    assert await asked(site, f"{keys}/new/delete", token=token) == {"status": "success"}
    assert (await asked(site, keys, token=token))["certificates"] == ["selfsignedcertificate", "gis-wildcard"]


async def test_a_generated_certificate_is_requested_signed_and_shown(simulate: Simulate) -> None:
    site = (await simulate(sites=1, machines=1, tls=True)).sites["sim-0001"]
    token = (await asked(site, "admin/generateToken", username="siteadmin", password="simulated"))["token"]
    machine = f"admin/machines/{next(iter(site.machines))}"
    keys = f"{machine}/sslcertificates"
    await asked(
        site, f"{keys}/generate", token=token, alias="gis", commonName="gis.example.net", organization="Example"
    )
    told = await asked(site, f"{keys}/gis", token=token)
    assert told["subject"] == told["issuer"] == "CN=gis.example.net, O=Example"

    text = (await asked(site, f"{keys}/gis/generateCSR", token=token))["CSR"].replace("NEW CERTIFICATE", "CERTIFICATE")
    request = x509.load_pem_x509_csr(text.encode())
    assert request.is_signature_valid
    now = datetime.datetime.now(datetime.UTC)
    authority = ec.generate_private_key(ec.SECP256R1())

    def signed(key: Any) -> bytes:
        from cryptography.hazmat.primitives.serialization import Encoding

        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example Authority")])
        builder = x509.CertificateBuilder().subject_name(request.subject).issuer_name(issuer).serial_number(9)
        dated = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=90))
        return dated.public_key(key).sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM)

    foreign = signed(authority.public_key())
    refused = await asked(site, f"{keys}/gis/importCASignedCertificate", {"caSignedCertificate": foreign}, token=token)
    assert "does not match" in refused["messages"][0]
    ours = signed(request.public_key())
    await asked(site, f"{keys}/gis/importCASignedCertificate", {"caSignedCertificate": ours}, token=token)
    assert (await asked(site, f"{keys}/gis", token=token))["issuer"] == "CN=Example Authority"
    await asked(site, f"{machine}/edit", token=token, webServerCertificateAlias="gis")
    assert (await asyncio.to_thread(shown, site)).issuer.rfc4514_string() == "CN=Example Authority"


async def test_a_certificate_that_signed_itself_is_shown_for_its_own_name(simulate: Simulate) -> None:
    site = (await simulate(sites=1, machines=1, tls=True)).sites["sim-0001"]
    token = (await asked(site, "admin/generateToken", username="siteadmin", password="simulated"))["token"]
    machine = f"admin/machines/{next(iter(site.machines))}"
    keys = f"{machine}/sslcertificates"
    await asked(site, f"{keys}/generate", token=token, alias="own", commonName="own.example.net", validity="12")
    await asked(site, f"{machine}/edit", token=token, webServerCertificateAlias="own")
    certificate = await asyncio.to_thread(shown, site)
    assert common_name(certificate) == "own.example.net"
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert 11 < left / datetime.timedelta(days=1) <= 12

    root = {"rootCACertificate": b"not really a certificate"}
    await asked(site, f"{keys}/importRootOrIntermediate", root, token=token, alias="root")
    assert (await asked(site, f"{keys}/root", token=token))["entryType"] == "trustedCertEntry"
    told = await asked(site, f"{machine}/edit", token=token, webServerCertificateAlias="root")
    assert told["messages"] == ["The certificate 'root' has no key."]
    assert (await asked(site, machine, token=token))["webServerCertificateAlias"] == "own"


async def test_a_certificate_in_use_is_replaced_under_its_alias_at_once(simulate: Simulate) -> None:
    """What releases from 12.1 on have; none of them is simulated, so that the handler is asked itself."""
    site = (await simulate(sites=1, machines=1, tls=True)).sites["sim-0001"]
    token = (await asked(site, "admin/generateToken", username="siteadmin", password="simulated"))["token"]
    name = next(iter(site.machines))
    place = f"admin/machines/{name}/sslcertificates/selfsignedcertificate/update"
    assert (await asked(site, place, token=token))["code"] == 404
    file, certificate = certificate_file("newer.example.net", 44, "changeit")
    args = {"machine": name, "alias": "selfsignedcertificate"}
    call = Call(site, "POST", place, {"password": "changeit"}, args=args, files={"file": ("x.pfx", file)})
    assert certificates.update(call).value == {"status": "success"}
    assert await asyncio.to_thread(shown, site) == certificate
    call.params["password"] = "wrong"
    with pytest.raises(Failure):
        certificates.update(call)
    assert await asyncio.to_thread(shown, site) == certificate
