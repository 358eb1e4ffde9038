"""Changes, what a site says of the thing that each is about, and whether that means that it was done."""

from __future__ import annotations

from typing import Any

from fleet import ops
from fleet.admin.operation import Operation

__all__ = ["JUDGED", "ROADS"]

ROADS = {"folderName": "Planning", "serviceName": "Roads", "type": "MapServer"}
STARTED = {"configuredState": "STARTED", "realTimeState": "STARTED"}
STARTING = {"configuredState": "STARTED", "realTimeState": "STARTING"}
STOPPED = {"configuredState": "STOPPED", "realTimeState": "STOPPED"}
TREES = {"folderName": "/", "serviceName": "Trees", "type": "MapServer"}
MANY = ["Planning/Roads.MapServer", "Trees.MapServer"]
ENTRY = {"principal": "editors", "permission": {"isAllowed": True, "constraint": ""}}
DIRECTORY = {
    "name": "out",
    "physicalPath": "/srv/out/",
    "directoryType": "OUTPUT",
    "cleanupMode": "NONE",
    "maxFileAge": 10,
    "useLocalDir": "false",
}


def directory(**changed: Any) -> Operation[Any]:
    given = {"physical_path": "/srv/out", "directory_type": "OUTPUT", "cleanup_mode": "NONE", "max_file_age": 10}
    return ops.system.directory_register("out", **{**given, **changed})


JUDGED: list[tuple[Operation[Any], Any, bool | None]] = [
    (ops.services.delete("Planning/Roads.MapServer"), {"services": [TREES]}, True),
    (ops.services.delete("Planning/Roads.MapServer"), {"services": [ROADS]}, False),
    (ops.services.delete("Planning/Roads.MapServer"), {}, None),
    (ops.services.create(ROADS), {"services": [ROADS]}, True),
    (ops.services.create(ROADS), {"services": []}, False),
    (ops.services.rename("Planning/Roads.MapServer", "Ways"), {"services": [{**ROADS, "serviceName": "Ways"}]}, True),
    (ops.services.rename("Planning/Roads.MapServer", "Ways"), {"services": [ROADS]}, False),
    (
        ops.services.rename("Planning/Roads.MapServer", "Ways"),
        {"services": [ROADS, {**ROADS, "serviceName": "Ways"}]},
        False,
    ),
    (ops.services.change_provider("Roads.MapServer", "DMaps"), {"provider": "DMaps"}, True),
    (ops.services.change_provider("Roads.MapServer", "DMaps"), {"provider": "ArcObjects11"}, False),
    (ops.services.start_many(MANY), {"reports": [{**ROADS, "status": STARTED}, {**TREES, "status": STARTED}]}, True),
    (ops.services.start_many(MANY), {"reports": [{**ROADS, "status": STARTED}, {**TREES, "status": STARTING}]}, None),
    (ops.services.start_many(MANY), {"reports": [{**ROADS, "status": STOPPED}, {**TREES, "status": STARTING}]}, False),
    (ops.services.start_many(MANY), {"reports": [{**ROADS, "status": STARTED}]}, None),
    (ops.services.stop_many(MANY), {"reports": [{**ROADS, "status": STOPPED}, {**TREES, "status": STOPPED}]}, True),
    (ops.services.delete_many(MANY), {"reports": []}, True),
    (ops.services.delete_many(MANY), {"reports": [{**TREES, "status": STARTED}]}, False),
    (ops.services.folder_create("Maps"), {"folders": ["Maps", "System"]}, True),
    (ops.services.folder_delete("Maps"), {"folders": ["Maps", "System"]}, False),
    (ops.services.folder_edit("Maps", web_encrypted=True), {"webEncrypted": True}, True),
    (ops.services.permission_add("editors"), {"permissions": [ENTRY]}, True),
    (ops.services.permission_add("editors", allowed=False), {"permissions": [ENTRY]}, False),
    (ops.services.permissions_clean("editors"), {"permissions": [ENTRY]}, False),
    (ops.services.item_info_edit("A.MapServer", {"title": "A"}), {"title": "A", "tags": []}, True),
    (ops.services.job_cancel("A.GPServer", "j1"), {"status": "esriJobCancelled"}, True),
    (ops.services.job_cancel("A.GPServer", "j1"), {"status": "esriJobCancelling"}, None),
    (ops.services.job_cancel("A.GPServer", "j1"), {"status": "esriJobWaiting"}, False),
    (
        ops.machines.register("gis-b.example.net", "https://x"),
        {"machines": [{"machineName": "GIS-B.EXAMPLE.NET"}]},
        True,
    ),
    (ops.machines.unregister("GIS-B"), {"machines": [{"machineName": "GIS-B"}]}, False),
    (
        ops.machines.edit("GIS-B", socMaxHeapSize=128, JMXPort=4000),
        {"socMaxHeapSize": 128, "ports": {"JMXPort": 4000}},
        True,
    ),
    (ops.machines.edit("GIS-B", socMaxHeapSize=128), {"socMaxHeapSize": 64}, False),
    (ops.machines.edit("GIS-B", JMXPort=4000), {"socMaxHeapSize": 64}, None),
    (ops.machines.use_certificate("GIS-B", "new"), {"webServerCertificateAlias": "new"}, True),
    (ops.machines.certificate_delete("GIS-B", "old"), {"certificates": ["new"]}, True),
    (ops.machines.certificate_import_root("GIS-B", "ca", b"x"), {"certificates": ["ca"]}, True),
    (
        ops.logs.settings_edit({"logLevel": "FINE", "logDir": "/l"}),
        {"settings": {"logLevel": "FINE", "logDir": "/l/"}},
        True,
    ),
    (ops.data.register({"path": "/fileShares/a", "type": "folder"}), {"items": [{"path": "/fileShares/a"}]}, True),
    (ops.data.unregister("/fileShares/a"), {"items": [{"path": "/fileShares/ab"}]}, True),
    (ops.data.edit("/fileShares/a", {"info": {"path": "/new"}}), {"info": {"path": "/new", "isManaged": False}}, True),
    (ops.data.config_update({"blockDataCopy": True}), {"blockDataCopy": False}, False),
    (ops.security.user_add("ann", "p", email="a@b"), {"users": [{"username": "ann", "email": "a@b"}]}, True),
    (ops.security.user_add("ann", "p"), {"users": [{"username": "anna"}], "hasMore": True}, None),
    (ops.security.user_remove("ann"), {"users": [{"username": "anna"}], "hasMore": False}, True),
    (ops.security.user_update("ann", email="c@d"), {"users": [{"username": "ann", "email": "a@b"}]}, False),
    (ops.security.role_add("editors", "edit"), {"roles": [{"rolename": "editors", "description": "edit"}]}, True),
    (ops.security.role_remove("editors"), {"roles": [{"rolename": "editors"}]}, False),
    (ops.security.role_add_users("editors", ["ann", "bo"]), {"users": ["ann"], "hasMore": False}, False),
    (ops.security.role_add_users("editors", ["ann"]), {"users": ["ann", "bo"], "hasMore": True}, True),
    (ops.security.role_remove_users("editors", ["ann"]), {"users": ["bo"], "hasMore": True}, None),
    (ops.security.role_assign_privilege("editors", "PUBLISH"), {"privilege": "PUBLISH"}, True),
    (ops.security.config_update(Protocol="HTTPS"), {"sslEnabled": True, "httpEnabled": False}, True),
    (ops.security.config_update(Protocol="HTTPS"), {"sslEnabled": True, "httpEnabled": True}, False),
    (ops.security.config_update(httpsProtocols="TLSv1.3,TLSv1.2"), {"httpsProtocols": "TLSv1.2, TLSv1.3"}, True),
    (ops.security.config_update(HSTSEnabled=True), {"HSTSEnabled": True}, True),
    (ops.security.tokens_update({"properties": {"shortTimeout": 90}}), {"properties": {"shortTimeout": "90"}}, True),
    (ops.security.psa_disable(), {"disabled": "true"}, True),
    (ops.security.psa_enable(), {"disabled": True}, False),
    (ops.security.psa_enable(), {}, None),
    (ops.system.properties_update({"WebContextURL": "https://a"}), {"WebContextURL": "https://a"}, True),
    (ops.system.properties_update({"WebContextURL": "https://a"}), {}, False),
    (ops.system.properties_update({}), {"WebContextURL": "https://a"}, None),
    (directory(), {"directories": [DIRECTORY]}, True),
    (directory(physical_path="/srv/other"), {"directories": [DIRECTORY]}, False),
    (ops.system.directory_unregister("out"), {"directories": [DIRECTORY]}, False),
    (ops.system.config_store_edit("FILESYSTEM", "/c"), {"type": "FILESYSTEM", "connectionString": "/c"}, True),
    (
        ops.system.web_adaptor_update("w1", isAdminEnabled=True),
        {"webAdaptors": [{"id": "w1", "isAdminEnabled": True}]},
        True,
    ),
    (ops.system.web_adaptor_unregister("w1"), {"webAdaptors": [{"id": "w2"}]}, True),
    (ops.system.services_directory_edit({"servicesDirEnabled": False}), {"servicesDirEnabled": "false"}, True),
    (ops.system.services_directory_edit({"servicesDirEnabled": False}), {"enabled": "true"}, None),
    (ops.usage.add({"reportname": "day"}), {"metrics": [{"reportname": "day"}]}, True),
    (ops.usage.delete("day"), {"metrics": []}, True),
    (ops.usage.edit("day", {"since": "LAST_DAY"}), {"since": "LAST_WEEK"}, False),
    (
        ops.usage.settings_edit(enabled=True, sampling_interval=30, max_history=0),
        {"enabled": True, "samplingInterval": 30, "maxHistory": 0},
        True,
    ),
    (ops.uploads.delete("i1"), {"items": [{"itemID": "i2"}]}, True),
    (ops.uploads.commit("i1"), {"committed": False}, False),
    (ops.site.set_mode("READ_ONLY"), {"siteMode": "READ_ONLY"}, True),
]
