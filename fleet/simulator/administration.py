"""The rest of the admin API of a simulated site: machines, mode, logs, system, security, data stores."""

from __future__ import annotations

import json
import time
from typing import Any

from fleet.simulator.call import SUCCESS, Call, Route, route
from fleet.simulator.state import RELEASES, Machine
from fleet.simulator.wire import REST_TYPE, Reply, admin_failure

__all__ = ["ROUTES"]

JAVA_DATE = "%a %b %d %H:%M:%S UTC %Y"
LEVELS = ("SEVERE", "WARNING", "INFO", "FINE", "VERBOSE", "DEBUG")


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
            "loggedInUserPrivilege": "ADMINISTER",
        }
    )


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
    if site.portal_url is not None:
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
                if not service.folder and service.real == "STARTED"
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
                if service.folder == folder and service.real == "STARTED"
            ],
        },
        content_type=REST_TYPE,
    )


def health_check(call: Call) -> Reply:
    if "unhealthy" in call.site.faults:
        return Reply({"success": False}, status=503)
    return Reply({"success": True}, content_type=REST_TYPE)


def mode(call: Call) -> Reply:
    state = call.site.state
    return Reply(
        {
            "siteMode": state.mode,
            "copyConfigLocal": state.mode == "READ_ONLY",
            "lastModified": round(state.mode_changed * 1000),
        }
    )


def update_mode(call: Call) -> Reply:
    wanted = call.need("siteMode")
    if wanted not in ("EDITABLE", "READ_ONLY"):
        raise admin_failure(500, f"Invalid site mode '{wanted}'.")
    state = call.site.state
    state.mode, state.mode_changed = wanted, state.clock()
    call.site.faults.discard("read-only")
    return Reply(dict(SUCCESS), changed=True)


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
            "ServerStartTime": 1750000000000,
            "ports": {"OpenEJBPort": 4002, "JMXPort": 4000, "NamingPort": 4003, "DerbyPort": 4004},
            "webServerMaxHeapSize": -1,
            "appServerMaxHeapSize": 256,
            "socMaxHeapSize": found.heap,
            "webServerSSLEnabled": True,
            "webServerCertificateAlias": next(iter(found.certificates), ""),
            "configuredState": found.configured,
            "synchronize": False,
            "underMaintenance": False,
        }
    )


def machine_status(call: Call) -> Reply:
    found = _machine(call)
    return Reply({"configuredState": found.configured, "realTimeState": found.real})


def start_machine(call: Call) -> Reply:
    found = _machine(call)
    with call.site.lock(f"Server machine '{found.name}'"):
        found.configured = found.real = "STARTED"
    return Reply(dict(SUCCESS), changed=True)


def stop_machine(call: Call) -> Reply:
    found = _machine(call)
    with call.site.lock(f"Server machine '{found.name}'"):
        found.configured = found.real = "STOPPED"
    return Reply(dict(SUCCESS), changed=True)


def edit_machine(call: Call) -> Reply:
    found = _machine(call)
    found.heap = int(call.get("socMaxHeapSize") or found.heap)
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
    start = end - 1825 * 86_400
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
    }
    if call.site.state.number >= 11.1:
        value |= {"validFromEpoch": round(start * 1000), "validUntilEpoch": round(end * 1000)}
    return Reply(value)


# Logs


def query_logs(call: Call) -> Reply:
    """Newest first; `startTime` is the newer border, `endTime` the older one; the border's record is on both pages."""
    state = call.site.state
    level = (call.get("level") or "WARNING").upper()
    wanted = LEVELS[: LEVELS.index(level) + 1] if level in LEVELS else LEVELS[:2]
    now = round(state.clock() * 1000)
    newest = _moment(call.get("startTime"), now)
    oldest = _moment(call.get("endTime"), 0)
    page = min(int(call.get("pageSize") or 1000), 10_000)
    chosen = _filter(call)
    records = sorted(
        (
            record
            for record in state.log_records
            if record["type"] in wanted and oldest <= record["time"] <= newest and chosen(record)
        ),
        key=lambda record: -record["time"],
    )
    shown = records[:page]
    end = shown[-1]["time"] if len(records) > page else (oldest or (shown[-1]["time"] if shown else newest))
    return Reply(
        {"hasMore": len(records) > page, "startTime": newest, "endTime": end, "logMessages": shown},
    )


def _moment(text: str | None, default: int) -> int:
    if not text:
        return default
    if text.lstrip("-").isdigit():
        return int(text)
    try:
        return round(time.mktime(time.strptime(text.split(",")[0].split(".")[0], "%Y-%m-%dT%H:%M:%S")) * 1000)
    except ValueError:
        raise admin_failure(500, f'Unparseable date: "{text[:40]}"') from None


def _filter(call: Call) -> Any:
    try:
        given = json.loads(call.get("filter") or "{}")
    except ValueError:
        given = {}
    if not isinstance(given, dict):
        given = {}

    def wants(key: str, value: Any) -> bool:
        asked = given.get(key, "*")
        if asked in ("*", ["*"], [], ""):
            return True
        return value in asked if isinstance(asked, list) else value == asked

    return lambda record: (
        wants("codes", record["code"]) and wants("machines", record["machine"]) and wants("services", record["source"])
    )


def log_settings(call: Call) -> Reply:
    return Reply({"settings": call.site.state.log_settings})


def edit_log_settings(call: Call) -> Reply:
    """Everything must be sent; the folder comes back with a slash, and `on` as a boolean."""
    level = call.need("logLevel")
    if level not in ("OFF", *LEVELS):
        raise admin_failure(500, f"Invalid log level '{level}'.")
    settings = call.site.state.log_settings
    settings["logLevel"] = level
    settings["logDir"] = call.need("logDir").rstrip("/") + "/"
    settings["maxLogFileAge"] = int(call.need("maxLogFileAge"))
    settings["maxErrorReportsCount"] = int(call.need("maxErrorReportsCount"))
    settings["usageMeteringEnabled"] = (call.get("usageMeteringEnabled") or "off") == "on"
    return Reply({"status": "success", "settings": settings}, changed=True)


def clean_logs(call: Call) -> Reply:
    call.site.state.log_records.clear()
    return Reply(dict(SUCCESS), changed=True)


# System


def licenses(call: Call) -> Reply:
    ends = round(call.site.state.license_ends * 1000)
    entry = {"name": "Advanced", "version": "11.0", "canExpire": True, "expiration": ends}
    value: dict[str, Any] = {
        "edition": {**entry, "name": "Advanced", "featureName": "svradv"},
        "level": {**entry, "name": "Enterprise"},
        "datafeature": {**entry, "name": "svrenterprise"},
        "extensions": [{"name": "3D", "version": "11.0", "canExpire": True, "expiration": ends, "appid": "3"}],
    }
    if call.site.state.number >= 10.5:
        value["features"] = [
            {
                "name": "svradv",
                "displayName": "ArcGIS Server Advanced",
                "coreCount": 4,
                "version": "11.0",
                "canExpire": True,
                "expiration": ends,
                "isValid": True,
            }
        ]
    return Reply(value)


def properties(call: Call) -> Reply:
    return Reply(call.site.state.properties)


def update_properties(call: Call) -> Reply:
    call.site.state.properties = call.json_object("properties")
    return Reply(dict(SUCCESS), changed=True)


def directories(call: Call) -> Reply:
    return Reply({"directories": list(call.site.state.directories.values())})


def directory(call: Call) -> Reply:
    found = call.site.state.directories.get(call.args["dir"])
    if found is None:
        raise _not_found(call)
    return Reply(found)


def register_directory(call: Call) -> Reply:
    """As seen on 10.5.1: an existing name is refused, and its registration is removed all the same."""
    form = {key: call.need(key) for key in ("name", "physicalPath", "directoryType", "cleanupMode", "maxFileAge")}
    state = call.site.state
    if form["name"] in state.directories:
        del state.directories[form["name"]]
        raise admin_failure(
            500,
            f"Failed to register the server directory '{form['name']}'. A server directory with the name "
            f"'{form['name']}' is already registered with the server.",
        )
    state.register_directory({**form, "description": call.get("description") or ""})
    return Reply({"status": "success", "messages": []}, changed=True)


def unregister_directory(call: Call) -> Reply:
    if call.site.state.directories.pop(call.args["dir"], None) is None:
        raise _not_found(call)
    return Reply(dict(SUCCESS), changed=True)


def configstore(call: Call) -> Reply:
    return Reply(
        {
            "type": "FILESYSTEM",
            "connectionString": "/srv/arcgis/config-store",
            "localRepositoryPath": "/srv/arcgis/local",
            "status": "Ready",
        }
    )


# Security and data


def psa(call: Call) -> Reply:
    return Reply({"disabled": "true" if call.site.state.psa_disabled else "false"})


def update_psa(call: Call) -> Reply:
    """An empty form is a bare Java text, as on a real server."""
    user, password = call.need("username"), call.need("password")
    book = call.site.tokens
    book.accounts.clear()
    book.accounts[user] = password
    return Reply(dict(SUCCESS), changed=True)


def disable_psa(call: Call) -> Reply:
    call.site.state.psa_disabled = True
    return Reply(dict(SUCCESS), changed=True)


def enable_psa(call: Call) -> Reply:
    call.site.state.psa_disabled = False
    return Reply(dict(SUCCESS), changed=True)


def token_settings(call: Call) -> Reply:
    return Reply(
        {
            "type": "BUILTIN",
            "properties": {"sharedKey": "simulated-shared-key", "shortTimeout": "60", "longTimeout": "1440"},
        }
    )


def get_users(call: Call) -> Reply:
    return Reply({"users": list(call.site.state.users.values()), "hasMore": False})


def add_user(call: Call) -> Reply:
    name = call.need("username")
    call.need("password")
    state = call.site.state
    if name in state.users:
        raise admin_failure(500, f"User '{name}' already exists.")
    state.users[name] = {
        "username": name,
        "fullname": call.get("fullname") or "",
        "description": call.get("description") or "",
        "email": call.get("email") or "",
        "disabled": False,
    }
    return Reply(dict(SUCCESS), changed=True)


def remove_user(call: Call) -> Reply:
    if call.site.state.users.pop(call.need("username"), None) is None:
        raise admin_failure(500, "The user does not exist.")
    return Reply(dict(SUCCESS), changed=True)


def get_roles(call: Call) -> Reply:
    return Reply({"roles": list(call.site.state.roles.values()), "hasMore": False})


def add_role(call: Call) -> Reply:
    name = call.need("rolename")
    state = call.site.state
    if name in state.roles:
        raise admin_failure(500, f"Role '{name}' already exists.")
    state.roles[name] = {"rolename": name, "description": call.get("description") or ""}
    return Reply(dict(SUCCESS), changed=True)


def find_items(call: Call) -> Reply:
    items = list(call.site.state.data_items.values())
    parent = call.get("parentPath")
    return Reply({"items": [item for item in items if not parent or item["path"].startswith(parent)]})


def validate_all(call: Call) -> Reply:
    if "data-broken" in call.site.faults:
        name = next(iter(call.site.state.machines))
        raise admin_failure(500, f"The data item is not accessible from server machine '{name}'.")
    return Reply(dict(SUCCESS))


def register_item(call: Call) -> Reply:
    item = call.json_object("item")
    path = str(item.get("path", ""))
    items = call.site.state.data_items
    if path in items:
        raise admin_failure(500, f"The data item '{path}' already exists.")
    items[path] = item
    return Reply({"success": True, "status": "success"}, changed=True)


def unregister_item(call: Call) -> Reply:
    found = call.site.state.data_items.pop(call.need("itempath"), None)
    return Reply({"success": found is not None}, changed=found is not None)


def upload(call: Call) -> Reply:
    if not call.files:
        raise admin_failure(500, "java.lang.NullPointerException")
    name, data = next(iter(call.files.values()))
    identity = f"i{len(call.site.state.uploads) + 1:08x}"
    item = {
        "itemID": identity,
        "itemName": name,
        "description": call.get("description"),
        "pathOnServer": f"/srv/arcgis/uploads/{identity}/{name}",
        "date": round(call.site.state.clock() * 1000),
        "committed": True,
    }
    call.site.state.uploads[identity] = {**item, "size": len(data)}
    return Reply({"status": "success", "item": item}, changed=True)


def uploads(call: Call) -> Reply:
    return Reply({"items": list(call.site.state.uploads.values())})


ROUTES: tuple[Route, ...] = (
    route("GET POST", "admin", root),
    route("GET POST", "admin/info", info),
    route("GET POST", "admin/local", local),
    route("GET POST", "admin/info/healthCheck", health_check, token=False),
    route("GET POST", "rest/info", rest_info, token=False),
    route("GET POST", "rest/info/healthCheck", health_check, token=False),
    route("GET POST", "rest/services", rest_services, token=False),
    route("GET POST", "rest/services/<folder>", rest_folder, token=False),
    route("GET POST", "admin/mode", mode),
    route("POST", "admin/mode/update", update_mode, changes=True, read_only_ok=True),
    route("GET POST", "admin/machines", machines),
    route("GET POST", "admin/machines/<machine>", machine),
    route("GET POST", "admin/machines/<machine>/status", machine_status),
    route("GET POST", "admin/machines/<machine>/hardware", hardware),
    route("POST", "admin/machines/<machine>/start", start_machine, changes=True, read_only_ok=True),
    route("POST", "admin/machines/<machine>/stop", stop_machine, changes=True, read_only_ok=True),
    route("POST", "admin/machines/<machine>/edit", edit_machine, changes=True),
    route("GET POST", "admin/machines/<machine>/sslcertificates", certificates),
    route("GET POST", "admin/machines/<machine>/sslcertificates/<alias>", certificate),
    route("GET POST", "admin/logs/query", query_logs),
    route("GET POST", "admin/logs/settings", log_settings),
    route("POST", "admin/logs/settings/edit", edit_log_settings, changes=True, read_only_ok=True),
    route("POST", "admin/logs/clean", clean_logs, changes=True, read_only_ok=True),
    route("GET POST", "admin/system/licenses", licenses),
    route("GET POST", "admin/system/properties", properties),
    route("POST", "admin/system/properties/update", update_properties, changes=True),
    route("GET POST", "admin/system/directories", directories),
    route("POST", "admin/system/directories/register", register_directory, changes=True),
    route("GET POST", "admin/system/directories/<dir>", directory),
    route("POST", "admin/system/directories/<dir>/unregister", unregister_directory, changes=True),
    route("GET POST", "admin/system/configstore", configstore),
    route("GET", "admin/security/psa", psa),
    route("POST", "admin/security/psa", update_psa, changes=True),
    route("POST", "admin/security/psa/update", update_psa, changes=True),
    route("POST", "admin/security/psa/disable", disable_psa, changes=True),
    route("POST", "admin/security/psa/enable", enable_psa, changes=True),
    route("GET POST", "admin/security/tokens", token_settings),
    route("GET POST", "admin/security/users/getUsers", get_users),
    route("POST", "admin/security/users/add", add_user, changes=True),
    route("POST", "admin/security/users/remove", remove_user, changes=True),
    route("GET POST", "admin/security/roles/getRoles", get_roles),
    route("POST", "admin/security/roles/add", add_role, changes=True),
    route("GET POST", "admin/data/findItems", find_items),
    route("POST", "admin/data/validateAllDataItems", validate_all),
    route("POST", "admin/data/registerItem", register_item, changes=True),
    route("POST", "admin/data/unregisterItem", unregister_item, changes=True),
    route("GET POST", "admin/uploads", uploads),
    route("POST", "admin/uploads/upload", upload, changes=True),
)
