"""Every operation of the catalogue, asked of a simulated site: its answer has the members that the reference tells."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fleet.admin.catalogue import Entry, catalogue
from fleet.simulator import SimulatedSite, Simulator
from tests.publish import upload
from tests.wire import Answer, ask, sign_in

Simulate = Callable[..., Awaitable[Simulator]]

REPORT = {
    "reportname": "day",
    "since": "LAST_DAY",
    "queries": [{"resourceURIs": ["services/"], "metrics": ["RequestCount"]}],
}
NEW_REPORT = {**REPORT, "reportname": "new"}
ROADS = {"folderName": "Planning", "serviceName": "Roads", "type": "MapServer"}
STORE = {"path": "/fileShares/maps", "type": "folder", "info": {"path": "/srv/maps"}}
DIRECTORY = {"physicalPath": "/srv/d", "directoryType": "OUTPUT", "cleanupMode": "NONE", "maxFileAge": "0"}

PARAMETERS: dict[str, dict[str, Any]] = {
    "generateToken": {"username": "siteadmin", "password": "simulated"},
    "tokens.generateToken": {"username": "siteadmin", "password": "simulated"},
    "createNewSite": {"username": "siteadmin", "password": "simulated"},
    "joinSite": {"adminURL": "https://x/admin", "username": "siteadmin", "password": "simulated"},
    "importSite": {"location": "/srv/arcgis/exports/sim-0001.agssite"},
    "mode.update": {"siteMode": "READ_ONLY"},
    "machines.register": {"machineName": "NEW.EXAMPLE.NET", "adminURL": "https://new.example.net:6443/arcgis/admin"},
    "machines.rename": {"machineName": "MACHINE", "newMachineName": "OTHER.EXAMPLE.NET"},
    "machines.sslcertificates.generate": {"alias": "new", "commonName": "x"},
    "services.createFolder": {"folderName": "New"},
    "services.exists": {"folderName": "Planning"},
    "services.createService": {"service": {"serviceName": "New", "type": "MapServer"}},
    "services.startServices": {"services": {"services": [ROADS]}},
    "services.stopServices": {"services": {"services": [ROADS]}},
    "services.deleteServices": {"services": {"services": [ROADS]}},
    "services.renameService": {"serviceName": "Trees", "serviceType": "MapServer", "serviceNewName": "Woods"},
    "services.changeProvider": {"provider": "DMaps"},
    "services.importServices": {"location": "/srv/arcgis/exports/sim-0001.agssiteservices"},
    "services.edit": {"service": {"configuredState": "STARTED"}},
    "services.permissions.add": {"principal": "esriEveryone", "isAllowed": "true"},
    "services.folder.permissions.add": {"principal": "esriEveryone", "isAllowed": "true"},
    "services.folder.permissions.clean": {"principal": "esriEveryone"},
    "services.folder.hasChildPermissionsConflict": {"principal": "esriEveryone", "permission": {}},
    "services.iteminfo.edit": {"serviceItemInfo": {}},
    "services.iteminfo.upload": {"folder": "metadata"},
    "services.types.extensions.register": {"id": "i1"},
    "services.types.extensions.unregister": {"extensionFilename": "x.soe"},
    "services.types.customdataproviders.register": {"id": "i1"},
    "logs.settings.edit": {"logLevel": "FINE", "logDir": "/l", "maxLogFileAge": "1", "maxErrorReportsCount": "1"},
    "usagereports.add": {"usagereport": NEW_REPORT},
    "usagereports.edit": {"usagereport": REPORT},
    "usagereports.settings.edit": {"samplingInterval": "30", "enabled": "true", "maxHistory": "0"},
    "data.config.update": {"datastoreConfig": {"blockDataCopy": True}},
    "data.items.edit": {"item": STORE},
    "data.registerItem": {"item": {**STORE, "path": "/fileShares/new"}},
    "data.unregisterItem": {"itempath": "/fileShares/maps"},
    "data.validateDataItem": {"item": STORE},
    "data.computeTotalRefCount": {"path": "/fileShares/maps"},
    "security.config.updateIdentityStore": {"userStoreConfig": {}, "roleStoreConfig": {}},
    "security.config.testIdentityStore": {"userStoreConfig": {}, "roleStoreConfig": {}},
    "security.users.add": {"username": "new", "password": "some-pass"},
    "security.users.update": {"username": "ops"},
    "security.users.remove": {"username": "ops"},
    "security.users.getPrivilege": {"username": "ops"},
    "security.users.assignRoles": {"username": "ops", "roles": "administrators"},
    "security.users.removeRoles": {"username": "ops", "roles": "administrators"},
    "security.roles.add": {"rolename": "new"},
    "security.roles.update": {"rolename": "administrators"},
    "security.roles.remove": {"rolename": "administrators"},
    "security.roles.getUsersWithinRole": {"rolename": "administrators"},
    "security.roles.getRolesForUser": {"username": "ops"},
    "security.roles.addUsersToRole": {"rolename": "administrators", "users": "ops"},
    "security.roles.removeUsersFromRole": {"rolename": "administrators", "users": "ops"},
    "security.roles.getRolesByPrivilege": {"privilege": "ADMINISTER"},
    "security.roles.assignPrivilege": {"rolename": "administrators", "privilege": "PUBLISH"},
    "security.roles.getPrivilege": {"rolename": "administrators"},
    "security.tokens.update": {"tokenManagerConfig": {"properties": {"shortTimeout": "90"}}},
    "security.psa.update": {"username": "chief", "password": "newer-pass"},
    "system.properties.update": {"properties": {}},
    "system.directories.register": {"name": "new", **DIRECTORY},
    "system.directories.edit": {"name": "arcgisoutput", **DIRECTORY},
    "system.configstore.edit": {"type": "FILESYSTEM", "connectionString": "/moved"},
    "system.webadaptors.register": {"webAdaptorURL": "https://w/x", "machineName": "W", "machineIP": "10.0.0.9"},
    "system.webadaptors.config.update": {"webAdaptorsConfig": {"sharedKey": "newer"}},
    "uploads.register": {"itemName": "x.sd"},
    "uploads.uploadPart": {"partNumber": "1"},
    "rest.publishing.submitJob": {"in_sdp_id": "ITEM"},
    "kml.createKmz": {"kml": {}},
    "clusters.create": {"clusterName": "new"},
    "clusters.machines.add": {"machineNames": "X"},
    "clusters.machines.remove": {"machineNames": "X"},
    "clusters.editProtocol": {"clusterProtocol": {}},
}
WITHOUT_SITE = {"createNewSite", "joinSite"}
OPTIONAL = {"system.properties": {"WebContextURL"}}
"""Members that are there only if somebody set them."""

OPERATIONS = {entry.name: entry for entry in catalogue().entries if entry.base != "portal"}


async def prepared(site: SimulatedSite, entry: Entry) -> tuple[str, dict[str, str]]:
    """The concrete path of *entry* at *site*, which gets what the path names, and its form."""
    state = site.state
    state.folder_names.setdefault("Planning", "")
    state.add_service("Planning", "Roads", "MapServer")
    state.add_service("Planning", "Model", "GPServer")
    state.add_service("", "Trees", "MapServer")
    token = await sign_in(site)

    async def made(path: str, **form: str) -> None:
        assert "code" not in (await ask(f"{site.url}/admin/{path}", form={"token": token, **form})).json, path

    await made("security/users/add", username="ops", password="some-pass")
    await made("usagereports/add", usagereport=json.dumps(REPORT))
    await made("system/webadaptors/register", webAdaptorURL="https://w/y", machineName="W", machineIP="10.0.0.8")
    await made("exportSite")
    await made(
        "machines/register", machineName="SECOND.EXAMPLE.NET", adminURL="https://second.example.net:6443/arcgis/admin"
    )
    item = await upload(site, "x.sd", token)
    if entry.name in ("uploads.uploadPart", "uploads.commit"):
        register = await ask(f"{site.url}/admin/uploads/register", form={"token": token, "itemName": "y.sd"})
        item = register.json["item"]
    state.kept["jobs"] = {"j1": {"id": "j1", "operation": "edit", "status": "COMPLETED", "messages": []}}
    alias = "selfsignedcertificate"
    if entry.name == "machines.sslcertificates.delete":
        alias = "other"
        site.machines["SECOND.EXAMPLE.NET"].certificates[alias] = state.clock() + 1000
    names = {
        "machine": "SECOND.EXAMPLE.NET",
        "alias": alias,
        "cluster": "default",
        "folder": "Planning",
        "name": "Roads",
        "type": "MapServer",
        "report": "day",
        "path": "fileShares/maps",
        "store": "ds",
        "dir": "arcgisoutput",
        "id": "compute" if "platform" in entry.path else next(iter(state.kept["webadaptors"])),
        "jobId": "j1",
        "itemID": item["itemID"],
    }
    path = entry.full_path.replace("<name>.GPServer", "Model.GPServer")
    for name, value in names.items():
        path = path.replace(f"<{name}>", value)
    given = PARAMETERS.get(entry.name, {})
    form = {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
    if form.get("machineName") == "MACHINE":
        form["machineName"] = "SECOND.EXAMPLE.NET"
    if form.get("in_sdp_id") == "ITEM":
        form["in_sdp_id"] = item["itemID"]
    if entry.name == "rest.publishing.job":
        tool = path.rpartition("/jobs/")[0]
        job = await ask(f"{site.url}/{tool}/submitJob", form={"token": token, "in_sdp_id": item["itemID"]})
        path = f"{tool}/jobs/{job.json['jobId']}"
    if entry.name in WITHOUT_SITE:
        site.fault("no-site")
    if entry.name in ("upgrade", "upgrade.start"):
        site.switches.set("upgrade-required", "true")
        site.switches.set("upgrade-time", "50ms")
    return path, {**form, **({"token": token} if entry.token else {})}


async def asked(site: SimulatedSite, entry: Entry) -> Answer:
    """The answer to *entry*: by GET or POST as the catalogue says, with a file where it wants one."""
    path, form = await prepared(site, entry)
    place = f"{site.url}/{path}"
    if any(parameter.type.startswith("file") and parameter.required for parameter in entry.params):
        line = "----simulated"
        parts = [
            f'--{line}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
            for key, value in {"f": "json", "alias": "new", "certPassword": "x", **form}.items()
        ]
        name = next(parameter.name for parameter in entry.params if parameter.type.startswith("file"))
        parts.append(
            f'--{line}\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n\r\nbytes\r\n--{line}--\r\n'
        )
        kind = {"Content-Type": f"multipart/form-data; boundary={line}"}
        return await ask(place, form="".join(parts).encode(), headers=kind)
    if entry.method == "GET":
        return await ask(place, form)
    return await ask(place, form=form)


@pytest.mark.parametrize("release", ["10.5.1", "11.3"])
async def test_every_operation_answers_with_the_members_of_the_reference(simulate: Simulate, release: str) -> None:
    wrong = []
    number = {"10.5.1": 10.51, "11.3": 11.3}[release]
    for entry in OPERATIONS.values():
        site = (await simulate(sites=1, release=release, services=3, folders=0, machines=1)).sites["sim-0001"]
        site.switches.set("start-time", "0")
        site.switches.set("machine-start-time", "0")
        answer = await asked(site, entry)
        if entry.binary:
            assert answer.headers["content-type"] == "application/octet-stream"
            continue
        told = answer.json
        if _newer(entry.since, number) or (entry.name.startswith("clusters") and number > 10.6):
            assert told["code"] == 404, entry.name
            continue
        if entry.effect == "read" and told.get("status") == "error":
            wrong.append((entry.name, told))
        lacking = set(entry.answer) - told.keys() - OPTIONAL.get(entry.name, set()) - _later(entry.name, number)
        if lacking or "code" in told:
            wrong.append((entry.name, sorted(lacking), told.get("messages")))
    assert wrong == [], wrong


def _newer(since: str, number: float) -> bool:
    first, *rest = (int(part) if part.isdigit() else 0 for part in since.split("."))
    return first + sum(part / 10 ** (place + 1) for place, part in enumerate(rest)) > number + 1e-6


def _later(name: str, number: float) -> set[str]:
    """Members that only later releases have."""
    later = {
        "machines": ({"DatastoreMachines", "Protocol"}, 10.9),
        "machines.sslcertificates.get": ({"validFromEpoch", "validUntilEpoch"}, 11.1),
        "data.registerItem": ({"status"}, 10.7),
    }
    members, since = later.get(name, (set(), 0.0))
    return members if number < since else set()


def test_every_parameter_that_is_required_is_given_here() -> None:
    missing = [
        (entry.name, parameter.name)
        for entry in OPERATIONS.values()
        for parameter in entry.params
        if parameter.required and not parameter.type.startswith("file")
        if parameter.name not in PARAMETERS.get(entry.name, {})
        and parameter.name not in ("alias", "certPassword", "password")
    ]
    assert missing == []
