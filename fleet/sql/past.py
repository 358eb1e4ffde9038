"""SQL over a snapshot: the readers of the tables ask what the snapshot holds, in place of the site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import unquote

import msgspec

from fleet.admin.catalogue import catalogue
from fleet.admin.operation import Operation
from fleet.client.site import SiteClient
from fleet.errors import NotFound, SiteError, UsageError
from fleet.inventory.model import Inventory, Site
from fleet.rows import registry
from fleet.rows.table import Row, Wanted
from fleet.snapshots.collect import SINGLE
from fleet.snapshots.records import Kept, SiteRecord
from fleet.snapshots.store import Store

__all__ = ["NOT_KEPT", "Past"]

NOT_KEPT = ("checks", "logs", "manifests", "members", "statistics")
"""Tables of which a snapshot has nothing, or has them only when it was asked to."""


class Past:
    """A snapshot as a fleet of its own: its sites, and the rows of their tables as they were."""

    def __init__(self, store: Store, kept: Kept) -> None:
        self.kept = kept
        self._store = store
        self._records = store.sites(kept)
        self._pieces: dict[str, Any] = {}

    @property
    def inventory(self) -> Inventory:
        """The sites of the snapshot with the groups and labels that they had."""
        return Inventory(
            sites={
                name: Site(
                    name=name, url=record.url or f"https://{name}.invalid", groups=record.groups, labels=record.labels
                )
                for name, record in self._records.items()
            }
        )

    def check(self, tables: Sequence[str]) -> None:
        """Raise `UsageError` for one of *tables* of which snapshots have nothing."""
        for name in tables:
            if name in NOT_KEPT:
                raise UsageError(f"a snapshot has no {name}: ask the sites")

    async def rows(self, site: Site, name: str, wanted: Wanted) -> Sequence[Row]:
        """The rows of the table *name* of *site*; raises the `SiteError` that kept it out of the snapshot."""
        record = self._records[site.name]
        if record.error is not None and not record.pieces:
            raise _as_error(record.error)
        client = cast(SiteClient, _Remembering(site, record, self._load))
        return await registry.table(name).read(client, wanted)

    def _load(self, digest: str) -> Any:
        # A piece that many sites share is read once.
        if digest not in self._pieces:
            self._pieces[digest] = self._store.load(digest)
        return self._pieces[digest]


def _as_error(told: Mapping[str, Any]) -> SiteError:
    kind = str(told.get("kind"))
    error = next((one for one in SiteError.__subclasses__() if one.kind == kind), SiteError)
    return error(f"when the snapshot was made: {told.get('message')}")


class _Remembering:
    """Stands for the client of a site: every read is answered by the pieces of a snapshot."""

    def __init__(self, site: Site, record: SiteRecord, load: Any) -> None:
        self.site = site
        self.release = None
        self._record = record
        self._load = load
        self._by_path = {_PATHS[name]: name for name in SINGLE if name in _PATHS}

    async def call(self, operation: Operation[Any]) -> Any:
        """The answer that the site gave; raises `NotFound` for what it had not, or what was not kept."""
        path = unquote(operation.path).strip("/")
        if path in self._by_path:
            return self._piece(self._by_path[path])
        if path == "rest/info":
            return self._piece("site/rest")
        match path.split("/"):
            case ["admin", "services"]:
                return self._listing("")
            case ["admin", "services", "report"]:
                return self._report("", operation)
            case ["admin", "services", folder, "report"]:
                return self._report(folder, operation)
            case ["admin", "services", *service] if _is_service(service):
                return self._piece(f"services/definition/{'/'.join(service)}")
            case ["admin", "services", *service, "iteminfo", "manifest", "manifest.json"]:
                return self._piece(f"services/manifest/{'/'.join(service)}")
            case ["admin", "services", *service, "iteminfo"]:
                return self._piece(f"services/iteminfo/{'/'.join(service)}")
            case ["admin", "services", *service, "permissions"] if _is_service(service):
                return self._permissions("/".join(service))
            case ["admin", "services", folder, "permissions"]:
                return self._piece(f"services/folder-permissions/{folder}")
            case ["admin", "services", folder]:
                return self._listing(folder)
            case ["admin", "machines"]:
                names = self._names("machines/about/")
                return {"machines": [{"machineName": name, **self._piece(f"machines/about/{name}")} for name in names]}
            case ["admin", "machines", machine]:
                return self._piece(f"machines/about/{machine}")
            case ["admin", "machines", machine, ("status" | "hardware") as what]:
                return self._piece(f"machines/{what}/{machine}")
            case ["admin", "machines", machine, "sslcertificates"]:
                return {"certificates": list(self._piece(f"machines/certificates/{machine}"))}
            case ["admin", "machines", machine, "sslcertificates", alias]:
                found = self._piece(f"machines/certificates/{machine}")
                if alias in found:
                    return found[alias]
            case ["admin", "data", "findItems"]:
                return self._items(operation.parameters)
            case ["admin", "data", "items"]:
                places = {f"/{item['path'].strip('/').split('/')[0]}" for item in self._piece("datastores/items")}
                return {"rootItems": sorted(places)}
            case ["admin", "data", "items", *place]:
                for item in self._piece("datastores/items"):
                    if item["path"].strip("/") == "/".join(place):
                        return item
            case ["admin", "security", ("users" | "roles") as kind, *_] if "Within" not in path and "By" not in path:
                return self._page(kind, operation.parameters)
            case ["admin", "security", "roles", "getUsersWithinRole"]:
                role = operation.parameters.get("rolename", "")
                for privilege in ("ADMINISTER", "PUBLISH"):
                    members = self._piece(f"security/privileges/{privilege}", {}).get(role)
                    if members is not None:
                        return {"users": members, "hasMore": False}
            case ["admin", "security", "roles", "getRolesByPrivilege"]:
                found = self._piece(f"security/privileges/{operation.parameters.get('privilege', '')}")
                return {"roles": list(found)}
            case _:
                pass
        raise NotFound(f"the snapshot has nothing of {path}", may_have_arrived=False)

    def _piece(self, name: str, default: Any = None) -> Any:
        digest = self._record.pieces.get(name)
        if digest is not None:
            return self._load(digest)
        if name in self._record.failed:
            raise _as_error(self._record.failed[name])
        if default is not None:
            return default
        raise NotFound(self._record.absent.get(name, f"the snapshot has no {name}"), may_have_arrived=False)

    def _names(self, prefix: str) -> list[str]:
        return [name.removeprefix(prefix) for name in self._record.pieces if name.startswith(prefix)]

    def _states(self, folder: str) -> Mapping[str, Any]:
        states: Mapping[str, Any] = self._piece(f"services/states/{folder or '-'}", {})
        return states

    def _listing(self, folder: str) -> dict[str, Any]:
        own = self._piece(f"services/folder/{folder or '-'}")
        services = [_entry(name) for name in self._states(folder)]
        folders = [] if folder else [name for name in self._names("services/folder/") if name != "-"]
        return {**own, "folders": folders, "services": services}

    def _report(self, folder: str, operation: Operation[Any]) -> dict[str, Any]:
        asked = operation.parameters.get("parameters", "")
        folders = [folder]
        wanted: set[str] | None = None
        if "services" in operation.parameters:
            named = msgspec.json.decode(operation.parameters["services"])
            wanted = {_name(one) for one in named}
            folders = sorted({str(one["folderName"]) for one in named})
        reports = []
        for place in folders:
            permissions = self._piece(f"services/permissions/{place or '-'}", {})
            for name, status in self._states(place).items():
                if wanted is None or name in wanted:
                    # How busy a service was is not kept: there are no statistics.
                    instances = {"isStatisticsAvailable": False}
                    told = {"status": status, "instances": instances, "permissions": permissions.get(name)}
                    if "description" in asked:
                        told["description"] = self._piece(f"services/definition/{name}", {}).get("description")
                    reports.append({**_entry(name), **told})
        return {"reports": reports}

    def _permissions(self, service: str) -> dict[str, Any]:
        folder = service.rpartition("/")[0]
        return {"permissions": self._piece(f"services/permissions/{folder or '-'}").get(service, [])}

    def _items(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        items = self._piece("datastores/items")
        parent = parameters.get("parentPath") or parameters.get("ancestorPath")
        if parent:
            items = [item for item in items if item["path"].startswith(f"{parent.rstrip('/')}/")]
        kinds = [kind for kind in parameters.get("types", "").split(",") if kind]
        return {"items": [item for item in items if not kinds or item.get("type") in kinds]}

    def _page(self, kind: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """A page of the users or roles that were kept."""
        found = self._piece(f"security/{kind}")
        start, size = (
            int(parameters.get(name, default)) for name, default in (("startIndex", "0"), ("pageSize", "1000"))
        )
        return {kind: found[start : start + size], "hasMore": start + size < len(found)}


_PATHS = {name: catalogue().by_name[entry].full_path.strip("/") for name, entry in SINGLE.items()}


def _is_service(parts: Sequence[str]) -> bool:
    return 1 <= len(parts) <= 2 and parts[-1].rpartition(".")[2].endswith("Server")


def _entry(name: str) -> dict[str, str]:
    folder, _, rest = name.rpartition("/")
    service, _, kind = rest.rpartition(".")
    return {"folderName": folder or "/", "serviceName": service, "type": kind}


def _name(entry: Mapping[str, str]) -> str:
    own = f"{entry['serviceName']}.{entry['type']}"
    folder = entry["folderName"].strip("/")
    return f"{folder}/{own}" if folder else own
