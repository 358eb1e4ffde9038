"""A snapshot in the place of a site: it answers the reads that it holds, for whoever reads rows of sites.

What it does not hold is an error, never an empty answer: a piece that could not be read when it was taken fails now as it
did then, and what no snapshot holds (counters, logs) says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from fleet.admin.catalogue import catalogue
from fleet.admin.operation import Operation
from fleet.errors import NotFound, ServerFailed
from fleet.inventory.model import Site
from fleet.protocol.fields import ServiceId
from fleet.protocol.release import Release
from fleet.snapshots.collect import SINGLE
from fleet.snapshots.store import Kept, SiteRecord, Store

__all__ = ["KeptClient"]

_PLACES = {
    catalogue().by_name[entry].full_path.strip("/"): piece for piece, entry in SINGLE.items() if piece != "site/about"
} | {"admin": "site/about", "rest/info": "site/rest"}
"""Paths below the base URL -> pieces that are the answer there."""


class KeptClient:
    """As much of a `SiteClient` as readers of rows need, over what *kept* holds of one *site*.

    `made` is when that was read, in epoch seconds. `call` raises `NotFound` for what the site did not have, and
    `ServerFailed` for what the snapshot does not hold.
    """

    def __init__(self, store: Store, kept: Kept, site: Site, record: SiteRecord) -> None:
        self.site = site
        self.made = kept.made
        self.release = None if record.release is None else Release.parse(record.release)
        self._store = store
        self._kept = kept
        self._record = record
        self._loaded: dict[str, Any] = {}

    async def call(self, operation: Operation[Any]) -> Any:
        """The answer to the read *operation*, as the site gave it when the snapshot was taken."""
        path = unquote(operation.path).strip("/")
        if path in _PLACES:
            return self._piece(_PLACES[path])
        begin, _, rest = path.removeprefix("admin/").partition("/")
        answers: Mapping[str, Callable[[str, Mapping[str, str]], Any]] = {
            "services": self._services,
            "machines": self._machines,
            "data": self._data,
            "security": self._security,
        }
        answer = answers[begin](rest, operation.parameters) if path.startswith("admin/") and begin in answers else None
        if answer is None:
            raise ServerFailed(f"a snapshot does not hold {operation.name}", may_have_arrived=False)
        return answer

    def _piece(self, name: str) -> Any:
        record = self._record
        if name in record.pieces:
            if name not in self._loaded:
                self._loaded[name] = self._store.load(record.pieces[name])
            return self._loaded[name]
        if name in record.failed:
            told = record.failed[name].get("message", "it could not be read")
            raise ServerFailed(f"{name} is not in the snapshot {self._kept.id}: {told}", may_have_arrived=False)
        raise NotFound(record.absent.get(name, f"{name} is not in the snapshot {self._kept.id}"))

    # Services

    def _services(self, rest: str, parameters: Mapping[str, str]) -> Any:
        folder, _, last = rest.rpartition("/")
        if last == "report":
            return {"reports": self._reports(folder, parameters)}
        if rest == "" or f"services/folder/{rest}" in self._known():
            return self._listing(rest)
        if last == "status":
            service = ServiceId.parse(folder)
            return self._piece(f"services/states/{service.folder or '-'}").get(str(service), {})
        kind = {"permissions": "permissions", "iteminfo": "iteminfo"}.get(last)
        if kind == "permissions" and f"services/folder/{folder}" in self._known():
            return self._piece(f"services/folder-permissions/{folder}")
        if kind == "permissions":
            service = ServiceId.parse(folder)
            return {"permissions": self._piece(f"services/permissions/{service.folder or '-'}").get(str(service), [])}
        if kind == "iteminfo":
            return self._piece(f"services/iteminfo/{folder}")
        if rest.endswith("iteminfo/manifest/manifest.json"):
            return self._piece(f"services/manifest/{rest.removesuffix('/iteminfo/manifest/manifest.json')}")
        if "." in last and "statistics" not in rest:
            return self._piece(f"services/definition/{rest}")
        return None

    def _known(self) -> set[str]:
        return {*self._record.pieces, *self._record.failed}

    def _of_folder(self, folder: str) -> list[ServiceId]:
        begin = f"services/definition/{folder}/" if folder else "services/definition/"
        names = [name.removeprefix("services/definition/") for name in self._known() if name.startswith(begin)]
        found = [ServiceId.parse(name) for name in sorted(names)]
        return [service for service in found if service.folder == folder]

    def _listing(self, folder: str) -> dict[str, Any]:
        about = self._piece(f"services/folder/{folder or '-'}")
        folders = sorted(
            name.removeprefix("services/folder/") for name in self._known() if name.startswith("services/folder/")
        )
        services = [{**service.to_parameter(), "folderName": folder or "/"} for service in self._of_folder(folder)]
        return {**about, "folders": [] if folder else [name for name in folders if name != "-"], "services": services}

    def _reports(self, folder: str, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
        wanted = json.loads(parameters.get("parameters", "[]"))
        named = parameters.get("services")
        services = (
            self._of_folder(folder)
            if named is None
            else [service for one in json.loads(named) if (service := ServiceId.of(one)) is not None]
        )
        reports = []
        for service in services:
            name, place = str(service), service.folder or "-"
            entry: dict[str, Any] = {**service.to_parameter(), "folderName": service.folder or "/"}
            if "status" in wanted:
                entry["status"] = self._piece(f"services/states/{place}").get(name, {})
            if "permissions" in wanted:
                entry["permissions"] = self._piece(f"services/permissions/{place}").get(name, [])
            if "description" in wanted:
                entry["description"] = self._piece(f"services/definition/{name}").get("description")
            if "instances" in wanted:
                # Counters are of their moment; the site itself says this where it has none.
                entry["instances"] = {"isStatisticsAvailable": False}
            reports.append(entry)
        return reports

    # Machines, data stores, users

    def _machines(self, rest: str, parameters: Mapping[str, str]) -> Any:
        if rest == "":
            if "machines/list" in self._record.failed:
                return self._piece("machines/list")
            names = sorted(name.split("/", 2)[2] for name in self._known() if name.startswith("machines/about/"))
            return {"machines": [{"machineName": name} for name in names]}
        machine, _, what = rest.partition("/")
        kind, _, alias = what.partition("/")
        if kind == "sslcertificates":
            certificates = self._piece(f"machines/certificates/{machine}")
            if not alias:
                failed = [name for name in self._record.failed if name.startswith(f"machines/certificates/{machine}/")]
                return {"certificates": [*certificates, *(name.rpartition("/")[2] for name in failed)]}
            return certificates.get(alias) or self._piece(f"machines/certificates/{machine}/{alias}")
        return self._piece(f"machines/{kind or 'about'}/{machine}") if kind in ("", "status", "hardware") else None

    def _data(self, rest: str, parameters: Mapping[str, str]) -> Any:
        if any(name.startswith("datastores/items/") for name in self._record.failed):
            return self._piece(next(name for name in self._record.failed if name.startswith("datastores/items/")))
        items = self._piece("datastores/items")
        if rest == "findItems":
            parent = parameters.get("parentPath") or parameters.get("ancestorPath") or "/"
            return {"items": [item for item in items if f"{item['path']}/".startswith(f"{parent.rstrip('/')}/")]}
        if rest == "items":
            return {"rootItems": sorted({f"/{item['path'].strip('/').partition('/')[0]}" for item in items})}
        found = [item for item in items if item["path"].strip("/") == rest.removeprefix("items/")]
        return found[0] if rest.startswith("items/") and found else None

    def _security(self, rest: str, parameters: Mapping[str, str]) -> Any:
        lists = {"users/getUsers": ("security/users", "users"), "roles/getRoles": ("security/roles", "roles")}
        if rest in lists:
            piece, member = lists[rest]
            start, size = int(parameters.get("startIndex", "0")), int(parameters.get("pageSize", "10"))
            entries = self._piece(piece)
            return {member: entries[start : start + size], "hasMore": start + size < len(entries)}
        if rest == "roles/getRolesByPrivilege" and parameters.get("privilege") != "ACCESS":
            return {"roles": list(self._piece(f"security/privileges/{parameters.get('privilege')}")), "hasMore": False}
        return None
