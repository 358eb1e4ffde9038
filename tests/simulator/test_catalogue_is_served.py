"""Every operation of the catalogue, asked of a simulated site: its answer has the members that the reference tells."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

import pytest

from fleet.admin.catalogue import Entry, catalogue
from fleet.simulator import SimulatedSite, Simulator
from tests.publish import upload
from tests.wire import Answer, ask, sign_in

Simulate = Callable[..., Awaitable[Simulator]]
Effect: TypeAlias = tuple[str, Callable[[Any], object]]

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
    "importSite": {"location": "EXPORTED"},
    "mode.update": {"siteMode": "READ_ONLY"},
    "machines.register": {"machineName": "NEW.EXAMPLE.NET", "adminURL": "https://new.example.net:6443/arcgis/admin"},
    "machines.rename": {"machineName": "MACHINE", "newMachineName": "OTHER.EXAMPLE.NET"},
    "machines.edit": {"socMaxHeapSize": "96"},
    "security.config.update": {"Protocol": "HTTPS", "HSTSEnabled": "true"},
    "system.handlers.rest.servicesdirectory.edit": {"servicesDirEnabled": "false"},
    "services.folder.editFolder": {"description": "About plans"},
    "machines.sslcertificates.generate": {"alias": "new", "commonName": "x"},
    "services.createFolder": {"folderName": "New"},
    "services.exists": {"folderName": "Planning"},
    "services.createService": {"service": {"serviceName": "New", "type": "MapServer"}},
    "services.startServices": {"services": {"services": [ROADS]}},
    "services.stopServices": {"services": {"services": [ROADS]}},
    "services.deleteServices": {"services": {"services": [ROADS]}},
    "services.renameService": {"serviceName": "Trees", "serviceType": "MapServer", "serviceNewName": "Woods"},
    "services.changeProvider": {"provider": "DMaps"},
    "system.webadaptors.update": {"isAdminEnabled": "true"},
    "services.edit": {"service": {"configuredState": "STARTED", "minInstancesPerNode": 2, "maxInstancesPerNode": 4}},
    "services.permissions.add": {"principal": "editors", "isAllowed": "true"},
    "services.folder.permissions.add": {"principal": "editors", "isAllowed": "false"},
    "services.folder.permissions.clean": {"principal": "esriEveryone"},
    "services.folder.hasChildPermissionsConflict": {"principal": "esriEveryone", "permission": {}},
    "services.iteminfo.edit": {"serviceItemInfo": {"summary": "told", "tags": ["a"]}},
    "services.iteminfo.upload": {"folder": "metadata"},
    "services.types.extensions.register": {"id": "ITEM"},
    "services.types.extensions.unregister": {"extensionFilename": "x.soe"},
    "services.types.customdataproviders.register": {"id": "ITEM"},
    "services.importServices": {"location": "ITEM"},
    "services.exportServices": {"location": "/srv/exports"},
    "logs.settings.edit": {"logLevel": "FINE", "logDir": "/l", "maxLogFileAge": "1", "maxErrorReportsCount": "3"},
    "usagereports.add": {"usagereport": NEW_REPORT},
    "usagereports.edit": {"usagereport": {**REPORT, "since": "LAST_WEEK"}},
    "usagereports.settings.edit": {"samplingInterval": "15", "enabled": "true", "maxHistory": "7"},
    "data.config.update": {"datastoreConfig": {"blockDataCopy": True}},
    "data.items.edit": {"item": {**STORE, "info": {"path": "/srv/moved"}}},
    "data.registerItem": {"item": {**STORE, "path": "/fileShares/new"}},
    "data.unregisterItem": {"itempath": "/fileShares/maps"},
    "data.validateDataItem": {"item": STORE},
    "data.computeTotalRefCount": {"path": "/fileShares/maps"},
    "security.config.updateIdentityStore": {"userStoreConfig": {"type": "LDAP"}, "roleStoreConfig": {"type": "LDAP"}},
    "security.config.testIdentityStore": {"userStoreConfig": {}, "roleStoreConfig": {}},
    "security.users.add": {"username": "new", "password": "some-pass"},
    "security.users.update": {"username": "ops", "email": "ops@example.net", "password": "another-pass"},
    "security.users.remove": {"username": "ops"},
    "security.users.getPrivilege": {"username": "ops"},
    "security.users.assignRoles": {"username": "ops", "roles": "editors"},
    "security.users.removeRoles": {"username": "ops", "roles": "editors"},
    "security.roles.add": {"rolename": "new"},
    "security.roles.update": {"rolename": "editors", "description": "who edits"},
    "security.roles.remove": {"rolename": "editors"},
    "security.roles.getUsersWithinRole": {"rolename": "administrators"},
    "security.roles.getRolesForUser": {"username": "ops"},
    "security.roles.addUsersToRole": {"rolename": "editors", "users": "ops"},
    "security.roles.removeUsersFromRole": {"rolename": "editors", "users": "ops"},
    "security.roles.getRolesByPrivilege": {"privilege": "ADMINISTER"},
    "security.roles.assignPrivilege": {"rolename": "editors", "privilege": "PUBLISH"},
    "security.roles.getPrivilege": {"rolename": "administrators"},
    "security.tokens.update": {"tokenManagerConfig": {"properties": {"shortTimeout": "90"}}},
    "security.psa.update": {"username": "chief", "password": "newer-pass"},
    "system.properties.update": {"properties": {"WebContextURL": "https://gis.example.net/server"}},
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
    "clusters.machines.add": {"machineNames": "SECOND.EXAMPLE.NET"},
    "clusters.machines.remove": {"machineNames": "SECOND.EXAMPLE.NET"},
    "clusters.editProtocol": {"clusterProtocol": {"type": "UDP"}},
}
WITHOUT_SITE = {"createNewSite", "joinSite"}
OPTIONAL = {"system.properties": {"WebContextURL"}, "services.exportServices": set()}
"""Members that are there only if somebody set them."""

RELEASES = {"10.5.1": 10.51, "11.3": 11.3}
OPERATIONS = {entry.name: entry for entry in catalogue().entries if entry.base != "portal"}
AT_PORTAL = {entry.name: entry for entry in catalogue().entries if entry.base == "portal"}
FIRST, SECOND = "FIRST.EXAMPLE.NET", "SECOND.EXAMPLE.NET"
DS1, DS2 = "DS1.EXAMPLE.NET", "DS2.EXAMPLE.NET"
MANAGED = {
    "path": "/enterpriseDatabases/ds",
    "type": "egdb",
    "id": "d1",
    "provider": "ArcGIS Data Store",
    "clientPath": None,
    "totalRefCount": 0,
    "info": {"isManaged": True, "machines": [{"name": DS1}, {"name": DS2}]},
}


async def prepared(site: SimulatedSite, entry: Entry) -> tuple[dict[str, str], dict[str, str], str]:
    """What stands for the names in paths, the form of *entry*, and a token; the site gets what both name."""
    state = site.state
    state.folder_names.setdefault("Planning", "")
    state.add_service("Planning", "Roads", "MapServer").manifest = {"databases": [], "resources": []}
    state.add_service("Planning", "Model", "GPServer")
    state.add_service("", "Trees", "MapServer")
    state.data_items["/enterpriseDatabases/ds"] = json.loads(json.dumps(MANAGED))
    token = await sign_in(site)

    async def made(path: str, **form: str) -> dict[str, Any]:
        answer = (await ask(f"{site.url}/admin/{path}", form={"token": token, **form})).json
        assert "code" not in answer, (path, answer)
        return answer  # type: ignore[no-any-return]

    await made("security/users/add", username="ops", password="some-pass", fullname="Operations")
    await made("usagereports/add", usagereport=json.dumps(REPORT))
    await made("system/webadaptors/register", webAdaptorURL="https://w/y", machineName="W", machineIP="10.0.0.8")
    await made("machines/register", machineName=SECOND, adminURL=f"https://{SECOND}:6443/arcgis/admin")
    exported = await made("exportSite", location="/srv/backups")
    # What comes after the export is what an import undoes.
    await made("security/roles/add", rolename="editors", description="")
    item = (await upload(site, "x.soe", token))["itemID"]
    given = PARAMETERS.get(entry.name, {})
    if entry.name == "services.types.extensions.unregister":
        await made("services/types/extensions/register", id=item)
    if entry.name == "services.importServices":
        item = (await made("services/exportServices", location="/srv/exports"))["location"]
        await made("services/Planning/Roads.MapServer/delete")
    if entry.name in ("uploads.uploadPart", "uploads.commit"):
        item = (await made("uploads/register", itemName="y.sd"))["item"]["itemID"]
    if entry.name in ("security.users.removeRoles", "security.roles.removeUsersFromRole"):
        await made("security/users/assignRoles", username="ops", roles="editors")
    if entry.name == "clusters.machines.add" and state.number < 10.6:
        await made("clusters/default/machines/remove", machineNames=SECOND)
    if entry.name in ("services.start", "services.startServices"):
        await made("services/Planning/Roads.MapServer/stop")
    if entry.name in ("machines.start", "clusters.start", "machines.synchronizeWithSite"):
        await made(f"machines/{SECOND}/stop")
        site.machines[SECOND].behind = True
    if entry.name == "machines.synchronizeWithSite":
        site.machines[SECOND].configured = "STARTED"
    if entry.name.endswith("enterpriseDatabases.machines.start"):
        await made(f"data/items/enterpriseDatabases/ds/machines/{DS2}/stop")
    if entry.name == "services.iteminfo.delete":
        await made("services/Planning/Roads.MapServer/iteminfo/edit", serviceItemInfo=json.dumps({"summary": "told"}))
    if entry.name == "security.psa.enable":
        await made("security/psa/disable")
    if entry.name in ("system.platformservices.start",):
        await made("system/platformservices/compute/stop")
    state.kept["jobs"] = {"j1": {"id": "j1", "operation": "edit", "status": "COMPLETED", "messages": []}}
    alias = "selfsignedcertificate"
    if entry.name == "machines.sslcertificates.delete":
        alias = "other"
        site.machines[SECOND].certificates[alias] = state.clock() + 1000
    job = "j1"
    if entry.name.startswith("services.jobs.") and state.number >= 10.61:
        listed = (await made("services/Planning/Model.GPServer/jobs/query", jobStatus="esriJobWaiting"))["results"]
        job = listed[0]["jobId"]
    if entry.name == "rest.publishing.job":
        tool = named(OPERATIONS["rest.publishing.submitJob"].full_path, {})
        job = (await ask(f"{site.url}/{tool}", form={"token": token, "in_sdp_id": item})).json["jobId"]
    names = {
        "machine": DS2 if "enterpriseDatabases" in entry.path else SECOND,
        "alias": alias,
        "cluster": "default",
        "folder": "Planning",
        "name": "Model" if "GPServer" in entry.path else "Roads",
        "type": "MapServer",
        "report": "day",
        "path": "fileShares/maps",
        "store": "ds",
        "dir": "arcgisoutput",
        "id": "compute" if "platform" in entry.path else list(state.kept["webadaptors"])[-1],
        "jobId": job,
        "itemID": item,
    }
    form = {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
    for key, value in form.items():
        form[key] = {"MACHINE": SECOND, "ITEM": item, "EXPORTED": exported.get("location", "")}.get(value, value)
    if entry.name in WITHOUT_SITE:
        site.fault("no-site")
    if entry.name in ("upgrade", "upgrade.start"):
        site.switches.set("upgrade-required", "true")
        site.switches.set("upgrade-time", "50ms")
    return names, form, token


def named(path: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        path = path.replace(f"<{name}>", value)
    return path


async def asked(place: str, entry: Entry, form: dict[str, str]) -> Answer:
    """The answer to *entry*: by GET or POST as the catalogue says, with a file where it wants one."""
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


@pytest.mark.parametrize("release", RELEASES)
async def test_every_operation_answers_and_what_it_changes_is_read_back(simulate: Simulate, release: str) -> None:
    """Each change is looked for before and afterwards: it must not be there, and then it must."""
    wrong: list[Any] = []
    number = RELEASES[release]
    for entry in OPERATIONS.values():
        site = (await simulate(sites=1, release=release, services=3, folders=0, machines=1)).sites["sim-0001"]
        for name in ("start-time", "stop-time", "machine-start-time", "machine-stop-time"):
            site.switches.set(name, "0")
        gone = _newer(entry.since, number) or (entry.name.startswith("clusters") and number > 10.6)
        names, form, token = await prepared(site, entry)
        place, sign = f"{site.url}/{named(entry.full_path, names)}", {"token": token} if entry.token else {}
        effect = EFFECTS.get(entry.name)
        if not gone and effect is not None and await seen(site, effect, names, token):
            wrong.append((entry.name, "was so before"))
        logged = len(site.state.log_records)
        answer = await asked(place, entry, {**form, **sign})
        if entry.binary:
            assert answer.headers["content-type"] == "application/octet-stream"
            continue
        told = answer.json
        if gone:
            assert told["code"] == 404, entry.name
            continue
        if entry.effect == "read" and told.get("status") == "error":
            wrong.append((entry.name, told))
        lacking = set(entry.answer) - told.keys() - OPTIONAL.get(entry.name, set()) - _later(entry.name, number)
        if lacking or "code" in told:
            wrong.append((entry.name, sorted(lacking), told.get("messages")))
        if effect is not None and not await seen(site, effect, names, token):
            wrong.append((entry.name, "is not so afterwards"))
        if entry.effect != "read" and entry.name not in QUIET and len(site.state.log_records) == logged:
            wrong.append((entry.name, "left no record"))
    assert wrong == [], wrong


async def seen(site: SimulatedSite, effect: Effect, names: dict[str, str], token: str) -> bool:
    """Whether the state is what the operation was asked for, as its resource tells it, or as signing in does."""
    path, wanted = effect
    if path == "":
        return bool(wanted(site))
    place, _, query = path.partition("?")
    answer = await ask(f"{site.url}/admin/{named(place, names)}", {"token": token, **dict(parse_qsl(query))})
    return bool(wanted(answer.json))


def test_every_operation_that_changes_something_is_looked_at_afterwards() -> None:
    changing = {entry.name for entry in OPERATIONS.values() if entry.effect != "read"}
    assert changing - EFFECTS.keys() - LEAVES_A_RECORD_ONLY - LATER == set()
    assert EFFECTS.keys() - changing == set(), "and nothing is looked for that no operation changes"


@pytest.mark.parametrize("release", RELEASES)
async def test_every_operation_of_the_portal_answers_with_the_members_of_the_reference(
    simulate: Simulate, release: str
) -> None:
    wrong: list[Any] = []
    for entry in AT_PORTAL.values():
        simulator = await simulate(sites=2, release=release, services=1, folders=0, machines=1, federated=True)
        portal = simulator.portal
        assert portal is not None
        account = {"username": "siteadmin", "password": "simulated", "client": "referer", "referer": "x"}
        signed = await ask(f"{portal.url}/sharing/rest/generateToken", form=account)
        token, head = signed.json["token"], {"Referer": "x"}
        site = simulator.sites["sim-0002"]
        servers = f"{portal.url}/portaladmin/federation/servers"

        async def listed(servers: str = servers, token: str = token) -> dict[str, dict[str, Any]]:
            answer = await ask(servers, {"token": token}, headers={"Referer": "x"})
            return {one["id"]: one for one in answer.json["servers"]}

        form: dict[str, str] = {"token": token}
        if entry.name == "portal.generateToken":
            form = account
        elif entry.name == "portal.generateToken.exchange":
            form |= {"serverURL": site.url, "referer": "x"}
        elif entry.name.endswith(".federate"):
            await ask(f"{servers}/id-sim-0002/unfederate", form=form, headers=head)
            assert site.portal_url is None
            form |= {"url": site.url, "adminUrl": site.url, "username": "siteadmin", "password": "simulated"}
        elif entry.name.endswith("servers.update"):
            form |= {"serverRole": "HOSTING_SERVER", "serverFunction": "RasterAnalytics"}
        names = {"id": "id-sim-0002", "machine": "PORTAL.SIMULATED.EXAMPLE"}
        place = f"{portal.url}/{named(entry.full_path, names)}".rstrip("/")
        answer = await (
            ask(place, form, headers=head) if entry.method == "GET" else ask(place, form=form, headers=head)
        )
        told = answer.json
        if _newer(entry.since, RELEASES[release]):
            assert told["error"]["code"] == 404, entry.name
            continue
        lacking = set(entry.answer) - told.keys() - _later(entry.name, RELEASES[release])
        if lacking or "error" in told:
            wrong.append((entry.name, sorted(lacking), told))
        if entry.name.endswith(".federate"):
            assert (await listed()).keys() == {"id-sim-0001", "id-sim-0002"}
            assert site.portal_url == portal.url
        elif entry.name.endswith(".unfederate"):
            assert (await listed()).keys() == {"id-sim-0001"}
        elif entry.name.endswith("servers.update"):
            server = (await listed())["id-sim-0002"]
            assert (server["serverRole"], server["serverFunction"]) == ("HOSTING_SERVER", "RasterAnalytics")
        elif entry.effect != "read":
            wrong.append((entry.name, "is not looked at"))
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
        "portal.federation.servers.validateOne": ({"adminUrl"}, 11.1),
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


def _names(told: Any, member: str, key: str) -> list[Any]:
    return [one[key] for one in told.get(member, [])]


def _roads(told: Any) -> list[dict[str, Any]]:
    return [one for one in told.get("services", []) if one["serviceName"] == "Roads"]


def _principals(told: Any) -> dict[str, bool]:
    return {one["principal"]: one["permission"]["isAllowed"] for one in told.get("permissions", [])}


def _missing(told: Any) -> bool:
    return told.get("code") == 404


_STATUS = "services/<folder>/Roads.MapServer/status"
_STOPPED = {"configuredState": "STOPPED", "realTimeState": "STOPPED"}
_STARTED = {"configuredState": "STARTED", "realTimeState": "STARTED"}
_KEYS = "machines/<machine>/sslcertificates"
_STORE = "data/items/enterpriseDatabases/ds/machines"
_ITEM = "services/<folder>/Roads.MapServer/iteminfo"
_ROADS_IN = "services/<folder>"
_EDITORS = "security/roles/getUsersWithinRole?rolename=editors"

_JOB = "services/<folder>/Model.GPServer/jobs/<jobId>"

EFFECTS: dict[str, Effect] = {
    "services.jobs.cancel": (_JOB, lambda told: told["status"] == "esriJobCancelled"),
    "services.jobs.purgeQueue": (_JOB, lambda told: told["status"] == "esriJobCancelled"),
    "services.jobs.delete": (_JOB, _missing),
    "services.changeProvider": ("services/<folder>/Roads.MapServer", lambda told: told["provider"] == "DMaps"),
    "system.webadaptors.update": ("system/webadaptors/<id>", lambda told: told["isAdminEnabled"] is True),
    "system.webadaptors.config.update": ("system/webadaptors/config", lambda told: told == {"sharedKey": "newer"}),
    "rest.publishing.submitJob": ("", lambda site: len(site.state.kept.get("publishing", {})) == 1),
    "upgrade.start": ("", lambda site: not site.switches.upgrade_required),
    "createNewSite": ("", lambda site: "no-site" not in site.faults),
    "joinSite": ("", lambda site: "no-site" not in site.faults),
    "exportSite": ("", lambda site: "/srv/arcgis/exports/sim-0001.agssite" in site.state.kept["exports"]),
    "importSite": ("security/roles/getRoles", lambda told: "editors" not in _names(told, "roles", "rolename")),
    "deleteSite": ("services", _missing),
    "mode.update": ("mode", lambda told: told["siteMode"] == "READ_ONLY"),
    "machines.register": ("machines", lambda told: "NEW.EXAMPLE.NET" in _names(told, "machines", "machineName")),
    "machines.rename": ("machines/OTHER.EXAMPLE.NET", lambda told: told.get("machineName") == "OTHER.EXAMPLE.NET"),
    "machines.start": ("machines/<machine>/status", lambda told: told == _STARTED),
    "machines.stop": ("machines/<machine>/status", lambda told: told == _STOPPED),
    "machines.edit": ("machines/<machine>", lambda told: told["socMaxHeapSize"] == 96),
    "machines.unregister": ("machines/<machine>", _missing),
    "machines.synchronizeWithSite": ("machines/<machine>/status", lambda told: told == _STARTED),
    "machines.sslcertificates.generate": (_KEYS, lambda told: "new" in told["certificates"]),
    "machines.sslcertificates.importCASignedCertificate": (
        f"{_KEYS}/selfsignedcertificate",
        lambda told: told["issuer"] != told["subject"],
    ),
    "machines.sslcertificates.importRootOrIntermediate": (_KEYS, lambda told: "new" in told["certificates"]),
    "machines.sslcertificates.importExistingServerCertificate": (_KEYS, lambda told: "new" in told["certificates"]),
    "machines.sslcertificates.delete": (_KEYS, lambda told: "other" not in told["certificates"]),
    "clusters.create": ("clusters", lambda told: "new" in _names(told, "clusters", "clusterName")),
    "clusters.start": ("machines/<machine>/status", lambda told: told == _STARTED),
    "clusters.stop": ("machines/<machine>/status", lambda told: told == _STOPPED),
    "clusters.delete": ("clusters/default", _missing),
    "clusters.machines.add": ("clusters/default", lambda told: SECOND in told["machineNames"]),
    "clusters.machines.remove": ("clusters/default", lambda told: SECOND not in told["machineNames"]),
    "clusters.editProtocol": ("clusters/default", lambda told: told["clusterProtocol"] == {"type": "UDP"}),
    "services.createFolder": ("services", lambda told: "New" in told["folders"]),
    "services.folder.deleteFolder": (_ROADS_IN, _missing),
    "services.folder.editFolder": (_ROADS_IN, lambda told: told["description"] == "About plans"),
    "services.createService": ("services/New.MapServer/status", lambda told: told == _STARTED),
    "services.startServices": (_STATUS, lambda told: told == _STARTED),
    "services.stopServices": (_STATUS, lambda told: told == _STOPPED),
    "services.deleteServices": (_ROADS_IN, lambda told: not _roads(told)),
    "services.renameService": ("services/Woods.MapServer", lambda told: told.get("serviceName") == "Woods"),
    "services.types.extensions.register": ("services/types/extensions", lambda told: told["extensions"] != []),
    "services.types.extensions.unregister": ("services/types/extensions", lambda told: told["extensions"] == []),
    "services.types.customdataproviders.register": (
        "services/types/providers",
        lambda told: "x" in _names(told, "providers", "name"),
    ),
    "services.federate": ("", lambda site: site.state.kept.get("federated_by_portal") is True),
    "services.unfederate": ("", lambda site: site.state.kept.get("federated_by_portal") is False),
    "services.exportServices": (
        "",
        lambda site: "/srv/exports/sim-0001.agssiteservices" in site.state.kept.get("service_exports", {}),
    ),
    "services.importServices": (_ROADS_IN, lambda told: len(_roads(told)) == 1),
    "services.folder.permissions.add": (
        "services/<folder>/permissions",
        lambda told: _principals(told) == {"esriEveryone": True, "editors": False},
    ),
    "services.folder.permissions.clean": ("services/<folder>/permissions", lambda told: _principals(told) == {}),
    "services.start": (_STATUS, lambda told: told == _STARTED),
    "services.stop": (_STATUS, lambda told: told == _STOPPED),
    "services.delete": ("services/<folder>/Roads.MapServer", _missing),
    "services.edit": ("services/<folder>/Roads.MapServer", lambda told: told["minInstancesPerNode"] == 2),
    "services.iteminfo.edit": (_ITEM, lambda told: (told["summary"], told["tags"]) == ("told", ["a"])),
    "services.iteminfo.upload": (_ITEM, lambda told: told.get("metadata") == "metadata/x"),
    "services.iteminfo.delete": (_ITEM, lambda told: told["summary"] == ""),
    "services.permissions.add": (
        "services/<folder>/Roads.MapServer/permissions",
        lambda told: _principals(told) == {"esriEveryone": True, "editors": True},
    ),
    "logs.settings.edit": (
        "logs/settings",
        lambda told: (told["settings"]["logLevel"], told["settings"]["maxErrorReportsCount"]) == ("FINE", 3),
    ),
    "logs.clean": ("logs/query?level=DEBUG", lambda told: told["logMessages"] == []),
    "usagereports.add": ("usagereports", lambda told: "new" in _names(told, "metrics", "reportname")),
    "usagereports.edit": ("usagereports/day", lambda told: told["since"] == "LAST_WEEK"),
    "usagereports.delete": ("usagereports", lambda told: told["metrics"] == []),
    "usagereports.settings.edit": (
        "usagereports/settings",
        lambda told: (told["samplingInterval"], told["maxHistory"]) == (15, 7),
    ),
    "data.config.update": ("data/config", lambda told: told == {"blockDataCopy": True}),
    "data.items.edit": ("data/items/fileShares/maps", lambda told: told["info"] == {"path": "/srv/moved"}),
    "data.registerItem": ("data/findItems", lambda told: "/fileShares/new" in _names(told, "items", "path")),
    "data.unregisterItem": ("data/findItems", lambda told: "/fileShares/maps" not in _names(told, "items", "path")),
    "data.items.enterpriseDatabases.machines.start": (f"{_STORE}/{DS2}", lambda told: told["status"] == "Started"),
    "data.items.enterpriseDatabases.machines.stop": (f"{_STORE}/{DS2}", lambda told: told["status"] == "Stopped"),
    "data.items.enterpriseDatabases.machines.remove": (_STORE, lambda told: _names(told, "machines", "name") == [DS1]),
    "data.items.enterpriseDatabases.machines.makePrimary": (
        _STORE,
        lambda told: _names(told, "machines", "role") == ["STANDBY", "PRIMARY"],
    ),
    "security.config.update": ("security/config", lambda told: told["HSTSEnabled"] and not told["httpEnabled"]),
    "security.config.updateIdentityStore": ("security/config", lambda told: told["userStoreConfig"]["type"] == "LDAP"),
    "security.users.add": ("security/users/getUsers", lambda told: "new" in _names(told, "users", "username")),
    "security.users.update": (
        "security/users/getUsers",
        lambda told: "ops@example.net" in _names(told, "users", "email"),
    ),
    "security.users.remove": ("", lambda site: "ops" not in site.tokens.accounts | site.state.users),
    "security.users.assignRoles": (_EDITORS, lambda told: told["users"] == ["ops"]),
    "security.users.removeRoles": (_EDITORS, lambda told: told["users"] == []),
    "security.roles.add": ("security/roles/getRoles", lambda told: "new" in _names(told, "roles", "rolename")),
    "security.roles.remove": (
        "security/roles/getRoles",
        lambda told: "editors" not in _names(told, "roles", "rolename"),
    ),
    "security.roles.addUsersToRole": (_EDITORS, lambda told: told["users"] == ["ops"]),
    "security.roles.removeUsersFromRole": (_EDITORS, lambda told: told["users"] == []),
    "security.roles.update": (
        "security/roles/getRoles",
        lambda told: "who edits" in _names(told, "roles", "description"),
    ),
    "security.roles.assignPrivilege": (
        "security/roles/getPrivilege?rolename=editors",
        lambda told: told["privilege"] == "PUBLISH",
    ),
    "security.tokens.update": ("security/tokens", lambda told: told["properties"]["shortTimeout"] == "90"),
    "security.psa.disable": ("security/psa", lambda told: told["disabled"] == "true"),
    "security.psa.enable": ("security/psa", lambda told: told["disabled"] == "false"),
    "security.psa.update": ("", lambda site: site.tokens.check_password("chief", "newer-pass") is None),
    "system.properties.update": ("system/properties", lambda told: told != {}),
    "system.directories.register": ("system/directories/new", lambda told: told.get("physicalPath") == "/srv/d"),
    "system.directories.edit": ("system/directories/arcgisoutput", lambda told: told["physicalPath"] == "/srv/d"),
    "system.directories.unregister": ("system/directories/arcgisoutput", _missing),
    "system.configstore.edit": ("system/configstore", lambda told: told["connectionString"] == "/moved"),
    "system.webadaptors.register": (
        "system/webadaptors",
        lambda told: "https://w/x" in _names(told, "webAdaptors", "webAdaptorURL"),
    ),
    "system.webadaptors.unregister": ("system/webadaptors", lambda told: "https://w/y" not in str(told)),
    "system.handlers.rest.servicesdirectory.edit": (
        "system/handlers/rest/servicesdirectory",
        lambda told: told["servicesDirEnabled"] == "false",
    ),
    "system.platformservices.start": ("system/platformservices/compute/status", lambda told: told == _STARTED),
    "system.platformservices.stop": ("system/platformservices/compute/status", lambda told: told == _STOPPED),
    "uploads.upload": ("uploads", lambda told: "x" in _names(told, "items", "itemName")),
    "uploads.register": ("uploads", lambda told: "x.sd" in _names(told, "items", "itemName")),
    "uploads.uploadPart": ("", lambda site: any(kept.get("parts") for kept in site.state.uploads.values())),
    "uploads.commit": ("uploads/<itemID>", lambda told: told["committed"]),
    "uploads.delete": ("uploads/<itemID>", _missing),
    "kml.createKmz": ("kml", lambda told: len(told["items"]) == 1),
}
"""Operation -> where its effect shows (a path below admin; "" for the site itself), and what is to be seen there."""

LEAVES_A_RECORD_ONLY = {
    "system.directories.clean",
    "system.directories.recover",
    "system.configstore.recover",
    "system.handlers.rest.cache.clear",
}
"""Operations whose effect no resource tells."""

LATER = {"machines.sslcertificates.update"}
"""Operations that no release which is simulated has."""

QUIET = {"logs.clean", "rest.publishing.submitJob"}
"""Operations after which the logs are not longer than before."""
