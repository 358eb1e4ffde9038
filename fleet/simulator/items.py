"""What a simulated service says of itself beside its definition: item information, manifest, and who made it."""

from __future__ import annotations

import random
import uuid
import zlib
from typing import Any
from xml.sax.saxutils import quoteattr

from fleet.simulator.call import SUCCESS, Call, Route, missing, route, service_of
from fleet.simulator.state import Service, SiteState
from fleet.simulator.wire import Reply, admin_failure

__all__ = ["ROUTES", "item_information", "manifest_of", "services_that_use"]

FILE_WORKSPACE = "esriDataSourcesGDB.FileGDBWorkspaceFactory.1"
DATABASE_WORKSPACE = "esriDataSourcesGDB.SdeWorkspaceFactory.1"
WITHOUT_MANIFEST = 12
"""One of so many services was published without a manifest."""


def item_information(service: Service) -> dict[str, Any]:
    """The item information of *service*: what it was given, over what it has from the start."""
    first: dict[str, Any] = {
        "culture": "en-US",
        "name": service.name,
        "guid": str(uuid.uuid5(uuid.NAMESPACE_OID, service.key)).upper(),
        "catalogPath": "",
        "snippet": "",
        "description": service.definition["description"],
        "summary": service.definition["description"],
        "title": service.name,
        "tags": ["simulated"],
        "type": "Map Service",
        "typeKeywords": ["Data", "Service"],
        "thumbnail": "thumbnail/thumbnail.png",
        "url": "",
        "extent": [[-180.0, -90.0], [180.0, 90.0]],
        "spatialReference": "",
        "accessInformation": "",
        "licenseInfo": "",
    }
    return first if service.item is None else {**first, **service.item}


def show(call: Call) -> Reply:
    return Reply(item_information(service_of(call)))


def edit(call: Call) -> Reply:
    """Replaces everything: what is not sent is empty afterwards."""
    service = service_of(call)
    given = call.json_object("serviceItemInfo")
    empty: dict[str, Any] = {
        key: [] if isinstance(value, list) else "" for key, value in item_information(service).items()
    }
    service.item = {**empty, "guid": item_information(service)["guid"], **given}
    if "thumbnail" in call.files:
        service.item["thumbnail"] = f"thumbnail/{call.files['thumbnail'][0]}"
    service.touched(call.user or "", call.site.state.clock())
    return Reply(dict(SUCCESS), changed=True)


def upload(call: Call) -> Reply:
    """A thumbnail, or metadata, which is then a file of the item."""
    service = service_of(call)
    folder = call.need("folder")
    if folder not in ("metadata", "thumbnail"):
        raise admin_failure(500, f"The folder '{folder[:40]}' is not supported.")
    if not call.files:
        raise admin_failure(500, "java.lang.NullPointerException")
    name, _ = next(iter(call.files.values()))
    service.item = {**item_information(service), folder: f"{folder}/{name}"}
    service.touched(call.user or "", call.site.state.clock())
    return Reply(dict(SUCCESS), changed=True)


def delete(call: Call) -> Reply:
    """The item information is gone; what follows from the service itself is told again."""
    service = service_of(call)
    service.item = None
    service.touched(call.user or "", call.site.state.clock())
    return Reply(dict(SUCCESS), changed=True)


# Manifests


def _source(state: SiteState, service: Service) -> dict[str, Any] | None:
    """The registered database that *service* draws on, or None where its data was copied to the server."""
    sources: list[dict[str, Any]] = state.kept.get("sources", [])
    drawn = zlib.crc32(f"{state.seed}/{state.name}/{service.origin}/source".encode())
    place = drawn % (len(sources) + 2)
    return sources[place] if place < len(sources) else None


def manifest_of(state: SiteState, service: Service) -> dict[str, Any] | None:
    """Databases and resources of *service*, or None where it was published without a manifest."""
    if service.manifest is not None:
        return service.manifest or None
    chosen = random.Random(f"{state.seed}/{state.name}/{service.origin}/manifest")
    if state.kept.get("sources") and chosen.randrange(WITHOUT_MANIFEST) == 0:
        return None
    source = _source(state, service)
    path = f"/srv/data/{service.folder or 'root'}.gdb"
    database = {
        "byReference": True,
        "onServerWorkspaceFactoryProgID": FILE_WORKSPACE if source is None else DATABASE_WORKSPACE,
        "onServerName": service.folder or "root",
        "onPremiseConnectionString": f"DATABASE={path}",
        "onServerConnectionString": f"DATABASE={path}",
        "onPremisePath": path,
        "datasets": [{"onServerName": service.name}],
    }
    if source is not None:
        owner = chosen.choice(("gis", "sde", "planning"))
        database |= {
            "onServerName": source["database"],
            "onPremiseConnectionString": source["connectionString"],
            "onServerConnectionString": source["connectionString"],
            "onPremisePath": f"C:\\Connections\\{source['database']}.sde",
            "datasets": [{"onServerName": f"{source['database']}.{owner}.{service.name}"}],
        }
    client = f"WS-{chosen.randrange(10, 60)}"
    resource = {"onPremisePath": f"C:\\Maps\\{service.name}.aprx", "clientName": client, "serverPath": ""}
    return {"databases": [database], "resources": [resource] if state.kept.get("sources") else []}


def services_that_use(state: SiteState, path: str) -> list[Service]:
    """The services whose data comes from the registered item at *path*."""
    found = []
    for service in state.services.values():
        source = _source(state, service)
        if source is not None and source["path"] == path and service.manifest is None:
            found.append(service)
    return found


def manifest(call: Call) -> Reply:
    found = manifest_of(call.site.state, service_of(call))
    if found is None:
        raise missing(call)
    return Reply(found)


def manifest_as_xml(call: Call) -> Reply:
    """The same as XML, which is no JSON whatever `f` says."""
    found = manifest_of(call.site.state, service_of(call))
    if found is None:
        raise missing(call)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<SVCManifest>"]
    for database in found["databases"]:
        text = database["onServerConnectionString"]
        lines.append(f"<SVCDatabase OnServerConnectionString={quoteattr(text)}>")
        lines += [f"<SVCDataset OnServerName={quoteattr(one['onServerName'])}/>" for one in database["datasets"]]
        lines.append("</SVCDatabase>")
    lines.append("</SVCManifest>")
    return Reply(body="\n".join(lines).encode(), content_type="text/xml;charset=UTF-8")


def life_cycle(call: Call) -> Reply:
    """Who made the service and who changed it last; the shape is a guess."""
    service = service_of(call)
    entry = {
        "folderName": service.folder or "/",
        "serviceName": service.name,
        "type": service.type,
        "createdBy": service.owner,
        "created": round(service.created * 1000),
        "lastModifiedBy": service.changed_by or service.owner,
        "lastModified": round((service.changed or service.created) * 1000),
    }
    return Reply({"services": [entry]})


_SERVICE = "admin/services/<service>"
ROUTES: tuple[Route, ...] = (
    route("GET POST", f"{_SERVICE}/iteminfo", show),
    route("POST", f"{_SERVICE}/iteminfo/edit", edit, changes=True),
    route("POST", f"{_SERVICE}/iteminfo/upload", upload, changes=True),
    route("POST", f"{_SERVICE}/iteminfo/delete", delete, changes=True),
    route("GET POST", f"{_SERVICE}/iteminfo/manifest/manifest.json", manifest),
    route("GET POST", f"{_SERVICE}/iteminfo/manifest/manifest.xml", manifest_as_xml),
    route("GET POST", f"{_SERVICE}/lifecycleinfos", life_cycle),
)
