"""The system resources of a simulated site: licences, properties, directories, stores, web adaptors, jobs."""

from __future__ import annotations

from typing import Any

from fleet.simulator.call import SUCCESS, Call, Route, missing, route
from fleet.simulator.wire import Reply, admin_failure

__all__ = ["ROUTES"]


RESOURCES = (
    "properties",
    "directories",
    "configstore",
    "webadaptors",
    "licenses",
    "jobs",
    "handlers",
    "platformservices",
)


def resource(call: Call) -> Reply:
    return Reply({"resources": list(RESOURCES)})


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
        raise missing(call)
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
            changed=True,
        )
    state.register_directory({**form, "description": call.get("description") or ""})
    return Reply({"status": "success", "messages": []}, changed=True)


def unregister_directory(call: Call) -> Reply:
    if call.site.state.directories.pop(call.args["dir"], None) is None:
        raise missing(call)
    return Reply(dict(SUCCESS), changed=True)


def edit_directory(call: Call) -> Reply:
    """Every value is needed, not only those that change."""
    state = call.site.state
    if call.args["dir"] not in state.directories:
        raise missing(call)
    form = {key: call.need(key) for key in ("name", "physicalPath", "directoryType", "cleanupMode", "maxFileAge")}
    del state.directories[call.args["dir"]]
    state.register_directory({**form, "description": call.get("description") or ""})
    return Reply({"status": "success", "messages": []}, changed=True)


def recover_directories(call: Call) -> Reply:
    """Folders that are missing are made again."""
    call.site.switches.missing_directories = frozenset()
    return Reply(dict(SUCCESS), changed=True)


def clean_directory(call: Call) -> Reply:
    """Old files go. Where the folder itself is missing, so does this fail, and only then does anybody hear of it."""
    found = call.site.state.directories.get(call.args["dir"])
    if found is None:
        raise missing(call, call.args["dir"])
    if found["name"] in call.site.switches.missing_directories:
        raise admin_failure(
            500,
            f"Failed to clean the server directory '{found['name']}'. The location '{found['physicalPath']}' is not "
            "accessible. Ensure that the ArcGIS Server account has read and write access to the location.",
        )
    return Reply(dict(SUCCESS), changed=True)


def _configstore_of(call: Call) -> dict[str, Any]:
    kept: dict[str, Any] = call.site.state.kept.setdefault(
        "configstore", {"type": "FILESYSTEM", "connectionString": "/srv/arcgis/config-store"}
    )
    return kept


def configstore(call: Call) -> Reply:
    """Here `status` is a state, not a verdict."""
    return Reply({**_configstore_of(call), "localRepositoryPath": "/srv/arcgis/local", "status": "Ready"})


def edit_configstore(call: Call) -> Reply:
    given = {key: call.need(key) for key in ("type", "connectionString")}
    _configstore_of(call).update(given)
    call.site.restart()
    return Reply(dict(SUCCESS), changed=True)


def recover_configstore(call: Call) -> Reply:
    """Put a copy of the configuration in the place of a lost one."""
    call.site.state.kept["configstore_recovered"] = round(call.site.state.clock() * 1000)
    return Reply(dict(SUCCESS), changed=True)


def deployment(call: Call) -> Reply:
    return Reply(call.site.state.kept.setdefault("deployment", {"singleClusterMode": True}))


def update_deployment(call: Call) -> Reply:
    call.site.state.kept["deployment"] = call.json_object("deploymentConfig")
    return Reply(dict(SUCCESS), changed=True)


# Jobs, handlers, platform services


def jobs(call: Call) -> Reply:
    return Reply({"jobs": list(call.site.state.kept.get("jobs", {}))})


def job(call: Call) -> Reply:
    found = call.site.state.kept.get("jobs", {}).get(call.args["job"])
    if found is None:
        raise missing(call)
    return Reply(found)


def clear_cache(call: Call) -> Reply:
    return Reply(dict(SUCCESS), changed=True)


def _services_directory(call: Call) -> dict[str, str]:
    kept: dict[str, str] = call.site.state.kept.setdefault(
        "servicesdirectory",
        {
            "enabled": "true",
            "servicesDirEnabled": "true",
            "callbackFunctionsEnabled": "false",
            "allowedOrigins": "*",
            "jsapi.arcgis": "https://js.example.com/4.30/",
            "jsapi.arcgis.css": "https://js.example.com/4.30/main.css",
        },
    )
    return kept


def services_directory(call: Call) -> Reply:
    return Reply(_services_directory(call))


def edit_services_directory(call: Call) -> Reply:
    kept = _services_directory(call)
    for name in kept:
        if (text := call.get(name)) is not None:
            kept[name] = text
    kept["enabled"] = kept["servicesDirEnabled"]
    return Reply(dict(SUCCESS), changed=True)


def _platform(call: Call) -> dict[str, dict[str, str]]:
    kept: dict[str, dict[str, str]] = call.site.state.kept.setdefault(
        "platformservices",
        {
            "synchronization": {"id": "synchronization", "type": "SYNCHRONIZATION_SERVICE", "provider": "ZOOKEEPER"},
            "compute": {"id": "compute", "type": "COMPUTE_PLATFORM", "provider": "SPARK"},
        },
    )
    for service in kept.values():
        service.setdefault("configuredState", "STARTED")
    return kept


def _platform_service(call: Call) -> dict[str, str]:
    found = _platform(call).get(call.args["id"])
    if found is None:
        raise missing(call)
    return found


def platform_services(call: Call) -> Reply:
    return Reply({"platformservices": list(_platform(call).values())})


def platform_status(call: Call) -> Reply:
    state = _platform_service(call)["configuredState"]
    return Reply({"configuredState": state, "realTimeState": state})


def start_platform_service(call: Call) -> Reply:
    _platform_service(call)["configuredState"] = "STARTED"
    return Reply(dict(SUCCESS), changed=True)


def stop_platform_service(call: Call) -> Reply:
    _platform_service(call)["configuredState"] = "STOPPED"
    return Reply(dict(SUCCESS), changed=True)


_BASE = "admin/system"
_DIRECTORIES = f"{_BASE}/directories"
_HANDLERS = f"{_BASE}/handlers/rest"
ROUTES: tuple[Route, ...] = (
    route("GET POST", _BASE, resource),
    route("GET POST", f"{_BASE}/licenses", licenses),
    route("GET POST", f"{_BASE}/properties", properties),
    route("POST", f"{_BASE}/properties/update", update_properties, changes=True),
    route("GET POST", _DIRECTORIES, directories),
    route("POST", f"{_DIRECTORIES}/register", register_directory, changes=True),
    route("POST", f"{_DIRECTORIES}/recover", recover_directories, changes=True, run_async=True),
    route("GET POST", f"{_DIRECTORIES}/<dir>", directory),
    route("POST", f"{_DIRECTORIES}/<dir>/edit", edit_directory, changes=True),
    route("POST", f"{_DIRECTORIES}/<dir>/clean", clean_directory, changes=True),
    route("POST", f"{_DIRECTORIES}/<dir>/unregister", unregister_directory, changes=True),
    route("GET POST", f"{_BASE}/configstore", configstore),
    route("POST", f"{_BASE}/configstore/edit", edit_configstore, changes=True, run_async=True),
    route("POST", f"{_BASE}/configstore/recover", recover_configstore, changes=True, run_async=True),
    route("GET POST", f"{_BASE}/deployment", deployment, since=10.4),
    route("POST", f"{_BASE}/deployment/update", update_deployment, changes=True, since=10.4),
    route("GET POST", f"{_BASE}/jobs", jobs),
    route("GET POST", f"{_BASE}/jobs/<job>", job),
    route("POST", f"{_HANDLERS}/cache/clear", clear_cache, changes=True, read_only_ok=True, lock=""),
    route("GET POST", f"{_HANDLERS}/servicesdirectory", services_directory),
    route("POST", f"{_HANDLERS}/servicesdirectory/edit", edit_services_directory, changes=True),
    route("GET POST", f"{_BASE}/platformservices", platform_services),
    route("GET POST", f"{_BASE}/platformservices/<id>/status", platform_status),
    route("POST", f"{_BASE}/platformservices/<id>/start", start_platform_service, changes=True, read_only_ok=True),
    route("POST", f"{_BASE}/platformservices/<id>/stop", stop_platform_service, changes=True, read_only_ok=True),
)
