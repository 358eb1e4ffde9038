"""What a simulated site says of itself, and its machines with their certificates."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from fleet.simulator.call import SUCCESS, Call, Route, route
from fleet.simulator.privileges import privilege_of
from fleet.simulator.state import RELEASES, Machine
from fleet.simulator.wire import REST_TYPE, Reply, admin_failure

__all__ = ["ROUTES"]

JAVA_DATE = "%a %b %d %H:%M:%S UTC %Y"
LIFE = 1825 * 86_400.0
"""Seconds that a certificate lives which the installation made."""


def _not_found(call: Call) -> Exception:
    last = call.path.rstrip("/").rsplit("/", 1)[-1]
    return admin_failure(404, f"Could not find resource or operation '{last}' on the system.")


# The site


def root(call: Call) -> Reply:
    state = call.site.state
    number, full, _ = RELEASES[state.release]
    value: dict[str, Any] = {
        "resources": "machines services system security data uploads logs mode usagereports info kml".split(),
        "currentVersion": number,
        "fullVersion": full,
        "acceptLanguage": None,
    }
    if number < 10.6:
        value["resources"].insert(1, "clusters")
    else:
        value["isServerLicensed"] = "true"
    return Reply(value)


def info(call: Call) -> Reply:
    number, full, build = RELEASES[call.site.state.release]
    return Reply(
        {
            "currentversion": number,
            "fullVersion": full,
            "currentbuild": build,
            "timezone": "UTC",
            "loggedInUser": call.user,
            "loggedInUserPrivilege": _privilege(call),
        }
    )


def _privilege(call: Call) -> str:
    state, user = call.site.state, call.user or ""
    return privilege_of(state, user) if user in state.users else "ADMINISTER"


def local(call: Call) -> Reply:
    return Reply({"machineName": next(iter(call.site.state.machines))})


def rest_info(call: Call) -> Reply:
    number, full, _ = RELEASES[call.site.state.release]
    site = call.site
    value: dict[str, Any] = {
        "currentVersion": number,
        "fullVersion": full,
        "soapUrl": f"{call.base}{site.context}/services",
        "secureSoapUrl": None,
    }
    if "no-site" in site.faults:
        value["authInfo"] = {"isTokenBasedSecurity": False}
    elif site.portal_url is not None:
        value["owningSystemUrl"] = site.portal_url
        value["authInfo"] = {
            "isTokenBasedSecurity": True,
            "tokenServicesUrl": f"{site.portal_url}/sharing/rest/generateToken",
        }
    else:
        value["authInfo"] = {
            "isTokenBasedSecurity": True,
            "tokenServicesUrl": f"{call.base}{site.context}/tokens/",
            "shortLivedTokenValidity": 60,
        }
    return Reply(value, content_type=REST_TYPE, headers={"Vary": "Origin"})


def rest_services(call: Call) -> Reply:
    state = call.site.state
    return Reply(
        {
            "currentVersion": RELEASES[state.release][0],
            "folders": list(state.folder_names),
            "services": [
                {"name": service.name, "type": service.type}
                for service in state.services.values()
                if not service.folder and state.real_of(service) == "STARTED"
            ],
        },
        content_type=REST_TYPE,
    )


def rest_folder(call: Call) -> Reply:
    folder = call.args["folder"]
    state = call.site.state
    if folder not in state.folder_names:
        return Reply({"error": {"code": 404, "message": "Folder not found", "details": []}}, code=404)
    return Reply(
        {
            "currentVersion": RELEASES[state.release][0],
            "folders": [],
            "services": [
                {"name": f"{folder}/{service.name}", "type": service.type}
                for service in state.services.values()
                if service.folder == folder and state.real_of(service) == "STARTED"
            ],
        },
        content_type=REST_TYPE,
    )


def health_check(call: Call) -> Reply:
    if "unhealthy" in call.site.faults:
        return Reply({"success": False}, status=503)
    return Reply({"success": True}, content_type=REST_TYPE)


# Machines


def _machine(call: Call) -> Machine:
    machine = call.site.state.machines.get(call.args["machine"].upper())
    if machine is None:
        raise _not_found(call)
    return machine


def machines(call: Call) -> Reply:
    value: dict[str, Any] = {
        "machines": [
            {"machineName": name, "adminURL": f"https://{name}:6443/arcgis/admin", "synchronize": False}
            for name in call.site.state.machines
        ]
    }
    if call.site.state.number >= 10.9:
        value |= {"DatastoreMachines": [], "Protocol": None}
    return Reply(value)


def machine(call: Call) -> Reply:
    found = _machine(call)
    return Reply(
        {
            "machineName": found.name,
            "platform": "Linux-amd64-64",
            "adminURL": f"https://{found.name}:6443/arcgis/admin",
            "ServerStartTime": round(found.started * 1000),
            "ports": {"OpenEJBPort": 4002, "JMXPort": 4000, "NamingPort": 4003, "DerbyPort": 4004},
            "webServerMaxHeapSize": -1,
            "appServerMaxHeapSize": 256,
            "socMaxHeapSize": found.heap,
            "webServerSSLEnabled": True,
            "webServerCertificateAlias": found.alias,
            "configuredState": found.configured,
            "synchronize": False,
            "underMaintenance": False,
        }
    )


def machine_status(call: Call) -> Reply:
    found = _machine(call)
    return Reply({"configuredState": found.configured, "realTimeState": found.real})


async def start_machine(call: Call) -> Reply:
    """Start: the services that should run come with it, and locks that had stuck are gone."""
    found = _machine(call)
    site = call.site
    with site.hold(f"machine:{found.name}"):
        with site.hold("store", "Failed to start the server machine."):
            found.configured = "STARTED"
        site.lose_stuck_locks()
        await _carry(call, found, "STARTED", site.switches.machine_start_time)
        found.started = site.state.clock()
        for service in site.state.services.values():
            if service.real in ("STARTING", "STOPPING"):
                service.real = service.configured
    return Reply(dict(SUCCESS), changed=True)


async def stop_machine(call: Call) -> Reply:
    """Stop: no service runs on the machine afterwards; it can still be administered."""
    found = _machine(call)
    site = call.site
    with site.hold(f"machine:{found.name}"):
        with site.hold("store", "Failed to stop the server machine."):
            found.configured = "STOPPED"
        for service in site.state.services.values():
            site.state.settle(service, service.real, site.switches.traffic)
        await _carry(call, found, "STOPPED", site.switches.machine_stop_time)
    return Reply(dict(SUCCESS), changed=True)


async def _carry(call: Call, found: Machine, wanted: str, usual: float) -> None:
    if found.real != wanted:
        found.real = "STARTING" if wanted == "STARTED" else "STOPPING"
        await call.site.work("start" if wanted == "STARTED" else "stop", "machines", usual)
        found.real = wanted
    told = (7008 if wanted == "STARTED" else 7009, f"Server machine '{found.name}' is {wanted.lower()}.")
    call.site.state.log("INFO", told, user=call.user or "", machine=found.name)


async def edit_machine(call: Call) -> Reply:
    """Edit: what is not sent keeps its value here; the web server restarts for it."""
    found = _machine(call)
    with call.site.hold(f"machine:{found.name}"):
        await call.site.work("edit", "machines")
        found.heap = call.whole("socMaxHeapSize", found.heap)
        alias = call.get("webServerCertificateAlias")
        if alias is not None:
            if alias not in found.certificates:
                raise admin_failure(500, f"The certificate '{alias}' does not exist.")
            found.alias = alias
    call.site.restart()
    return Reply(dict(SUCCESS), changed=True)


def register_machine(call: Call) -> Reply:
    name = call.need("machineName").upper()
    call.need("adminURL")
    state = call.site.state
    if name in state.machines:
        raise admin_failure(500, f"Server machine '{name}' is already part of the site.")
    state.machines[name] = Machine(name, started=state.clock())
    state.machines[name].certificates["selfsignedcertificate"] = state.clock() + LIFE
    return Reply(dict(SUCCESS), changed=True)


def unregister_machine(call: Call) -> Reply:
    found = _machine(call)
    state = call.site.state
    if len(state.machines) == 1:
        raise admin_failure(500, f"Server machine '{found.name}' is the last one of the site.")
    del state.machines[found.name]
    return Reply(dict(SUCCESS), changed=True)


def rename_machine(call: Call) -> Reply:
    state = call.site.state
    old, new = call.need("machineName").upper(), call.need("newMachineName").upper()
    if old not in state.machines:
        raise admin_failure(404, f"Could not find resource or operation '{old}' on the system.")
    state.machines = {new if name == old else name: one for name, one in state.machines.items()}
    state.machines[new].name = new
    call.site.restart()
    return Reply(dict(SUCCESS), changed=True)


def hardware(call: Call) -> Reply:
    _machine(call)
    return Reply(
        {
            "cpu": "Simulated CPU",
            "os": "Linux",
            "systemMemoryMB": 16384,
            "numPhysicalProcessors": 4,
            "numLogicalProcessors": 8,
        }
    )


def certificates(call: Call) -> Reply:
    return Reply({"certificates": list(_machine(call).certificates)})


def certificate(call: Call) -> Reply:
    found = _machine(call)
    end = found.certificates.get(call.args["alias"])
    if end is None:
        raise _not_found(call)
    start = end - LIFE
    value: dict[str, Any] = {
        "aliasName": call.args["alias"],
        "entryType": "PrivateKeyEntry",
        "issuer": f"CN={found.name}",
        "subject": f"CN={found.name}",
        "subjectAlternativeName": [f"DNS:{found.name}"],
        "validFrom": time.strftime(JAVA_DATE, time.gmtime(start)),
        "validUntil": time.strftime(JAVA_DATE, time.gmtime(end)),
        "keyAlgorithm": "RSA",
        "keySize": "2048",
        "serialNumber": "2b0e6c1f",
        "version": "3",
        "signatureAlgorithm": "SHA256withRSA",
        "keyUsage": ["DigitalSignature", "Key_encipherment"],
        **_fingerprints(f"{found.name}/{call.args['alias']}/{end}"),
    }
    if call.site.state.number >= 11.1:
        value |= {"validFromEpoch": round(start * 1000), "validUntilEpoch": round(end * 1000)}
    return Reply(value)


def _fingerprints(text: str) -> dict[str, str]:
    """Digests in hex, of *text* in the place of a certificate."""
    return {
        f"{name}Fingerprint": hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()
        for name in ("md5", "sha1", "sha256")
    }


def generate_certificate(call: Call) -> Reply:
    found = _machine(call)
    alias, _ = call.need("alias"), call.need("commonName")
    if alias in found.certificates:
        raise admin_failure(500, f"The alias '{alias}' already exists.")
    found.certificates[alias] = call.site.state.clock() + call.whole("validity", 90) * 86_400.0
    return Reply(dict(SUCCESS), changed=True)


def import_certificate(call: Call) -> Reply:
    found = _machine(call)
    if not call.files:
        raise admin_failure(500, "java.lang.NullPointerException")
    alias = call.args.get("alias") or call.need("alias")
    found.certificates[alias] = call.site.state.clock() + LIFE
    return Reply(dict(SUCCESS), changed=True)


def delete_certificate(call: Call) -> Reply:
    found = _machine(call)
    alias = call.args["alias"]
    if alias not in found.certificates:
        raise _not_found(call)
    if alias == found.alias:
        raise admin_failure(500, f"The certificate '{alias}' is in use by the web server.")
    del found.certificates[alias]
    return Reply(dict(SUCCESS), changed=True)


def export_certificate(call: Call) -> Reply:
    """No JSON: the certificate itself, here some bytes in its place."""
    if call.args["alias"] not in _machine(call).certificates:
        raise _not_found(call)
    return Reply(body=b"0\x82\x01\x00" + call.args["alias"].encode(), content_type="application/octet-stream")


_KEYS = "admin/machines/<machine>/sslcertificates"
ROUTES: tuple[Route, ...] = (
    route("GET POST", "admin", root),
    route("GET POST", "admin/info", info),
    route("GET POST", "admin/local", local),
    route("GET POST", "admin/info/healthCheck", health_check, token=False),
    route("GET POST", "rest/info", rest_info, token=False),
    route("GET POST", "rest/info/healthCheck", health_check, token=False),
    route("GET POST", "rest/services", rest_services, token=False),
    route("GET POST", "rest/services/<folder>", rest_folder, token=False),
    route("GET POST", "admin/machines", machines),
    route("POST", "admin/machines/register", register_machine, changes=True, read_only_ok=True),
    route("POST", "admin/machines/rename", rename_machine, changes=True, read_only_ok=True),
    route("GET POST", "admin/machines/<machine>", machine),
    route("GET POST", "admin/machines/<machine>/status", machine_status),
    route("GET POST", "admin/machines/<machine>/hardware", hardware, since=10.61),
    route("POST", "admin/machines/<machine>/start", start_machine, changes=True, read_only_ok=True, lock=""),
    route("POST", "admin/machines/<machine>/stop", stop_machine, changes=True, read_only_ok=True, lock=""),
    route("POST", "admin/machines/<machine>/edit", edit_machine, changes=True, lock=""),
    route("POST", "admin/machines/<machine>/unregister", unregister_machine, changes=True, read_only_ok=True),
    route("GET POST", _KEYS, certificates),
    route("POST", f"{_KEYS}/generate", generate_certificate, changes=True),
    route("POST", f"{_KEYS}/importRootOrIntermediate", import_certificate, changes=True),
    route("POST", f"{_KEYS}/importExistingServerCertificate", import_certificate, changes=True),
    route("GET POST", f"{_KEYS}/<alias>", certificate),
    route("POST", f"{_KEYS}/<alias>/importCASignedCertificate", import_certificate, changes=True),
    route("POST", f"{_KEYS}/<alias>/delete", delete_certificate, changes=True),
    route("GET POST", f"{_KEYS}/<alias>/export", export_certificate),
)
