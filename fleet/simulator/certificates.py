"""Certificates of the machines of a simulated site: made, requested, imported, exported, replaced and deleted."""

from __future__ import annotations

import hashlib
import textwrap
import time
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any

from fleet.simulator import pki
from fleet.simulator.call import SUCCESS, Call, Route, missing, route
from fleet.simulator.state import Machine
from fleet.simulator.wire import Reply, admin_failure

__all__ = ["LIFE", "ROUTES", "Details", "chosen_for_web_server", "details_of", "shows_from_the_start"]

JAVA_DATE = "%a %b %d %H:%M:%S UTC %Y"
LIFE = 1825 * 86_400.0
"""Seconds that a certificate lives which the installation made."""

PARTS = (("organizationalUnit", "OU"), ("organization", "O"), ("city", "L"), ("state", "ST"), ("country", "C"))


@dataclass(slots=True)
class Details:
    """What is kept of a certificate beside its end."""

    subject: str
    issuer: str
    begins: float
    names: list[str] = field(default_factory=list)
    trusted: bool = False
    """A root or an intermediate certificate, which no web server can show."""
    own: bool = True
    """Whether it signed itself."""
    installed: bool = False
    """Whether it came with the machine."""
    algorithm: str = "RSA"
    size: int = 2048
    signature: str = "SHA256withRSA"
    pair: pki.Pair | None = None
    """Its key and certificate, where they are real ones; made when they are first needed."""
    der: bytes = b""
    """The certificate alone, where it was imported and is a real one."""

    @property
    def common_name(self) -> str:
        return self.subject.removeprefix("CN=").partition(",")[0]


def details_of(machine: Machine, alias: str) -> Details:
    """What is known of the certificate *alias*, which must be there; one that came with the machine signed itself."""
    known = machine.details.get(alias)
    if known is None:
        subject = f"CN={machine.name}"
        known = Details(subject, subject, machine.certificates[alias] - LIFE, [f"DNS:{machine.name}"], installed=True)
        machine.details[alias] = known
    return known


def shows_from_the_start(machine: Machine, pair: pki.Pair) -> None:
    """*pair* is what the listener of *machine* shows, which its key store tells of as the one that it came with."""
    if machine.alias in machine.certificates and (known := details_of(machine, machine.alias)).installed:
        known.pair = pair


def _machine(call: Call) -> Machine:
    machine = call.site.state.machines.get(call.args["machine"].upper())
    if machine is None:
        raise missing(call, call.args["machine"])
    return machine


def _alias(call: Call, machine: Machine) -> str:
    """The alias in the path, in the spelling in which it is kept."""
    wanted = call.args["alias"].lower()
    found = next((alias for alias in machine.certificates if alias.lower() == wanted), None)
    if found is None:
        raise missing(call, call.args["alias"])
    return found


def _new_alias(call: Call, machine: Machine) -> str:
    alias = call.need("alias")
    if alias.lower() in (one.lower() for one in machine.certificates):
        raise admin_failure(500, f"The alias '{alias[:80]}' already exists.")
    return alias


def listing(call: Call) -> Reply:
    return Reply({"certificates": list(_machine(call).certificates)})


def show(call: Call) -> Reply:
    machine = _machine(call)
    alias = _alias(call, machine)
    end, known = machine.certificates[alias], details_of(machine, alias)
    value: dict[str, Any] = {
        "aliasName": alias,
        "entryType": "trustedCertEntry" if known.trusted else "PrivateKeyEntry",
        "issuer": known.issuer,
        "subject": known.subject,
        "subjectAlternativeName": known.names,
        "validFrom": time.strftime(JAVA_DATE, time.gmtime(known.begins)),
        "validUntil": time.strftime(JAVA_DATE, time.gmtime(end)),
        "keyAlgorithm": known.algorithm,
        "keySize": str(known.size),
        "serialNumber": hashlib.sha256(f"{machine.name}/{alias}/{end}".encode()).hexdigest()[:8],
        "version": "3",
        "signatureAlgorithm": known.signature,
        "keyUsage": ["DigitalSignature", "Key_encipherment"],
        **_fingerprints(known, f"{machine.name}/{alias}/{end}"),
    }
    if call.site.state.number >= 11.1:
        value |= {"validFromEpoch": round(known.begins * 1000), "validUntilEpoch": round(end * 1000)}
    return Reply(value)


def _fingerprints(known: Details, text: str) -> dict[str, str]:
    """Digests in hex, of the certificate or of *text* in its place."""
    data = known.der or text.encode() if known.pair is None or known.pair.certificate is None else known.pair.der
    return {
        f"{name}Fingerprint": hashlib.new(name, data, usedforsecurity=False).hexdigest()
        for name in ("md5", "sha1", "sha256")
    }


def generate(call: Call) -> Reply:
    """A key and a certificate that signs itself."""
    machine = _machine(call)
    name, alias = call.need("commonName"), _new_alias(call, machine)
    subject = ", ".join([f"CN={name}", *(f"{short}={text}" for key, short in PARTS if (text := call.get(key)))])
    now = call.site.state.clock()
    names = [one.strip() for one in (call.get("san") or "").split(",") if one.strip()]
    machine.certificates[alias] = now + call.whole("validity", 90) * 86_400.0
    names = names or [f"DNS:{name}"]
    machine.details[alias] = Details(
        subject,
        subject,
        now,
        names,
        pair=_self_signed(name, names, now, machine.certificates[alias]),
        algorithm=call.get("keyalg") or "RSA",
        size=call.whole("keysize", 2048),
        signature=call.get("sigalg") or "SHA256withRSA",
    )
    return Reply(dict(SUCCESS), changed=True)


def _self_signed(name: str, names: list[str], begins: float, ends: float) -> pki.Pair | None:
    """A real key with its certificate; None without the package for keys, and for names that no certificate has."""
    if not pki.available():
        return None
    try:
        return pki.Pair.self_signed(name, names, begins, ends)
    except (ValueError, OverflowError):
        return None


def request(call: Call) -> Reply:
    """A request for an authority, with the key of the certificate; without the package for keys, a text in its place."""
    machine = _machine(call)
    alias = _alias(call, machine)
    known = details_of(machine, alias)
    if known.trusted:
        raise admin_failure(500, f"The certificate '{alias}' has no key.")
    if pki.available():
        known.pair = known.pair or pki.Pair.new()
        body = known.pair.request(known.common_name, known.names)
    else:
        body = "\n".join(textwrap.wrap(b64encode(f"CN={known.common_name}".encode() * 8).decode(), 64))
    text = f"-----BEGIN NEW CERTIFICATE REQUEST-----\n{body}\n-----END NEW CERTIFICATE REQUEST-----"
    return Reply({"CSR": text})


def _file(call: Call) -> bytes:
    if not call.files:
        raise admin_failure(500, "java.lang.NullPointerException")
    return next(iter(call.files.values()))[1]


def _keep(call: Call, machine: Machine, alias: str, known: Details, read: pki.Facts | None) -> None:
    """Keep what a file holds, or, for one that holds no certificate at all, what such a file would have held."""
    now = call.site.state.clock()
    known.installed = False
    known.begins, machine.certificates[alias] = now, now + LIFE
    known.own, known.issuer = False, "CN=Simulated Issuing Authority"
    if read is not None:
        known.subject, known.issuer, known.names = read.subject, read.issuer, read.names
        known.own = read.subject == read.issuer
        known.begins, machine.certificates[alias] = read.begins, read.ends
        known.der = read.der
    machine.details[alias] = known


def import_signed(call: Call) -> Reply:
    """What an authority made of a request: the alias keeps its key."""
    machine = _machine(call)
    alias, data = _alias(call, machine), _file(call)
    known = details_of(machine, alias)
    read = pki.certificate_in(data)
    if read is not None and known.pair is not None:
        if not known.pair.fits(read):
            raise admin_failure(500, f"The certificate does not match the key of '{alias}'.")
        known.pair.certificate = read.certificate
    _keep(call, machine, alias, known, read)
    _serve_again(call, machine, alias)
    return Reply(dict(SUCCESS), changed=True)


def import_root(call: Call) -> Reply:
    machine = _machine(call)
    alias, data = _new_alias(call, machine), _file(call)
    known = Details("CN=Simulated Root", "CN=Simulated Root", call.site.state.clock(), trusted=True)
    _keep(call, machine, alias, known, pki.certificate_in(data))
    return Reply(dict(SUCCESS), changed=True)


def import_existing(call: Call) -> Reply:
    """A file with a key and a certificate, and its password; a real one must open with it."""
    machine = _machine(call)
    password, alias, data = call.need("certPassword"), _new_alias(call, machine), _file(call)
    _import_pair(call, machine, alias, data, password)
    return Reply(dict(SUCCESS), changed=True)


def update(call: Call) -> Reply:
    """A new key and certificate under the alias that is there, at once and without a restart."""
    machine = _machine(call)
    alias = _alias(call, machine)
    _import_pair(call, machine, alias, _file(call), call.need("password"))
    _serve_again(call, machine, alias)
    return Reply(dict(SUCCESS), changed=True)


def _import_pair(call: Call, machine: Machine, alias: str, data: bytes, password: str) -> None:
    known = Details(f"CN={machine.name}", "", call.site.state.clock(), [f"DNS:{machine.name}"], own=False)
    try:
        known.pair = pki.Pair.in_file(data, password)
    except PermissionError:
        raise admin_failure(500, "keystore password was incorrect") from None
    _keep(call, machine, alias, known, None if known.pair is None else known.pair.facts())


def delete(call: Call) -> Reply:
    machine = _machine(call)
    alias = _alias(call, machine)
    if alias == machine.alias:
        raise admin_failure(500, f"The certificate '{alias}' is in use by the web server.")
    del machine.certificates[alias]
    machine.details.pop(alias, None)
    return Reply(dict(SUCCESS), changed=True)


def export(call: Call) -> Reply:
    """No JSON: the certificate itself, or some bytes in its place."""
    machine = _machine(call)
    alias = _alias(call, machine)
    known = machine.details.get(alias)
    data = b"0\x82\x01\x00" + alias.encode()
    if known is not None and known.pair is not None and known.pair.certificate is not None:
        data = known.pair.der
    return Reply(body=data, content_type="application/octet-stream")


# The web server


def chosen_for_web_server(call: Call, machine: Machine, alias: str) -> None:
    """Let the web server show *alias* from now on; raises where that can't be."""
    found = next((one for one in machine.certificates if one.lower() == alias.lower()), None)
    if found is None:
        raise admin_failure(500, f"The certificate '{alias[:80]}' does not exist.")
    if details_of(machine, found).trusted:
        raise admin_failure(500, f"The certificate '{found}' has no key.")
    if found == machine.alias:
        return
    machine.alias = found
    _serve(call, machine)


def _serve_again(call: Call, machine: Machine, alias: str) -> None:
    if machine.alias == alias:
        _serve(call, machine)


def _serve(call: Call, machine: Machine) -> None:
    """The listener stands for the first machine of the site."""
    if machine.name == next(iter(call.site.state.machines)):
        known = details_of(machine, machine.alias)
        call.site.on_certificate(None if known.installed else known, machine.certificates[machine.alias])


_KEYS = "admin/machines/<machine>/sslcertificates"
ROUTES: tuple[Route, ...] = (
    route("GET POST", _KEYS, listing),
    route("POST", f"{_KEYS}/generate", generate, changes=True),
    route("POST", f"{_KEYS}/importRootOrIntermediate", import_root, changes=True),
    route("POST", f"{_KEYS}/importExistingServerCertificate", import_existing, changes=True),
    route("GET POST", f"{_KEYS}/<alias>", show),
    route("GET POST", f"{_KEYS}/<alias>/generateCSR", request),
    route("POST", f"{_KEYS}/<alias>/importCASignedCertificate", import_signed, changes=True),
    route("POST", f"{_KEYS}/<alias>/update", update, changes=True, since=12.1),
    route("POST", f"{_KEYS}/<alias>/delete", delete, changes=True),
    route("GET POST", f"{_KEYS}/<alias>/export", export),
)
