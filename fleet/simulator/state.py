"""The state of one simulated site: machines, services, logs, licences, made from a seed and changed by requests."""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["LEVELS", "RELEASES", "Machine", "Service", "SiteState"]

RELEASES: dict[str, tuple[float, str, str]] = {
    "10.5.1": (10.51, "10.5.1", "7333"),
    "10.9.1": (10.91, "10.9.1", "28388"),
    "11.1": (11.1, "11.1.0", "42869"),
    "11.3": (11.3, "11.3.0", "51575"),
}
"""Release -> currentVersion, fullVersion, build."""

DAY = 86_400.0

LEVELS = ("SEVERE", "WARNING", "INFO", "FINE", "VERBOSE", "DEBUG")
"""Levels of log records, the most severe first."""

RECORDS_KEPT = 50_000

TYPICAL = (
    (9511, "No instances for 'PublishingTools/GPServer' were available for 60.013 seconds. Wait timeout exceeded."),
    (9003, "Failed to construct instance of service."),
    (8254, "The containing process for a service has crashed."),
)
"""Log records that administrators of real sites know."""

NAMES = (
    "Hydrants Parcels Roads Basemap Zoning Trails Bridges Sewers Addresses Contours Buildings Flood Landuse Imagery "
    "Permits Schools Transit Noise Lighting Waste Soil Heritage Harbours Power Districts"
).split()
FOLDERS = ("Planning", "Utilities", "Public")
TEXTS = ("", "", "", "Veier og stier – sør for elva", "Übersicht für die Öffentlichkeit", "Réseau d’eau", "道路と橋")
TYPES = ("MapServer", "MapServer", "MapServer", "FeatureServer", "ImageServer", "GPServer", "GeocodeServer")


@dataclass(slots=True)
class Machine:
    """A machine of the site; its name is upper-case and fully qualified."""

    name: str
    configured: str = "STARTED"
    real: str = "STARTED"
    heap: int = 512
    started: float = 0.0
    """Since when it runs, in epoch seconds."""
    certificates: dict[str, float] = field(default_factory=dict)
    """Alias -> end of validity in epoch seconds."""
    alias: str = "selfsignedcertificate"
    """The certificate that its web server shows."""
    details: dict[str, Any] = field(default_factory=dict)
    """What is known of a certificate beside its end, by alias."""
    ports: dict[str, int] = field(
        default_factory=lambda: {"OpenEJBPort": 4002, "JMXPort": 4000, "NamingPort": 4003, "DerbyPort": 4004}
    )
    heaps: dict[str, int] = field(default_factory=lambda: {"webServerMaxHeapSize": -1, "appServerMaxHeapSize": 256})
    address: str = ""
    """Where it is administered, if that was ever said."""
    behind: bool = False
    """Whether it has yet to take over what the site has decided meanwhile."""

    @property
    def admin_url(self) -> str:
        """Where it is administered."""
        return self.address or f"https://{self.name}:6443/arcgis/admin"


@dataclass(slots=True)
class Service:
    """A service: its definition as `edit` takes it, its two states, and its instances."""

    folder: str
    name: str
    type: str
    definition: dict[str, Any]
    real: str = "STARTED"
    busy: int = 1
    transactions: int = 0
    """Requests up to `since`; what came in later is counted by the clock."""
    rate: float = 0.0
    """Requests per second that simulated users send."""
    since: float = 0.0
    permissions: list[dict[str, Any]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    origin: str = ""
    """Its key when it was made, which what follows from the seed hangs on."""
    owner: str = ""
    created: float = 0.0
    changed_by: str = ""
    changed: float = 0.0
    item: dict[str, Any] | None = None
    """The item information that it was given."""
    manifest: dict[str, Any] | None = None
    """Its manifest: None for one that follows from the seed, empty for none at all."""

    def touched(self, user: str, at: float) -> None:
        """Keep who changed it last, and when."""
        self.changed_by, self.changed = user, at

    @property
    def key(self) -> str:
        """`Folder/Name.Type`, without the folder in the root."""
        own = f"{self.name}.{self.type}"
        return f"{self.folder}/{own}" if self.folder else own

    @property
    def configured(self) -> str:
        return str(self.definition["configuredState"])

    @configured.setter
    def configured(self, state: str) -> None:
        self.definition["configuredState"] = state

    @property
    def most(self) -> int:
        """How many instances it may have on each machine."""
        return self.number("maxInstancesPerNode", 0)

    @property
    def least(self) -> int:
        """How many instances it has at least on each machine."""
        return self.number("minInstancesPerNode", 0)

    def number(self, member: str, default: int) -> int:
        """The whole number *member* of the definition, also where it stands as text; *default* for anything else."""
        value = self.definition.get(member)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default


class SiteState:
    """All that one site knows; handlers read and change it. *clock* gives epoch seconds."""

    def __init__(
        self,
        name: str,
        *,
        release: str,
        seed: int,
        machines: int | None = None,
        services: int | None = None,
        folders: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        rng = random.Random(f"{seed}/{name}")
        self._more = random.Random(f"{seed}/{name}/more")
        self.seed = seed
        self.name = name
        self.release = release
        self.clock = clock
        self.mode = "EDITABLE"
        self.mode_changed = clock()
        self.log_settings: dict[str, Any] = {
            "logDir": "/srv/arcgis/logs/",
            "logLevel": "INFO",
            "maxErrorReportsCount": 10,
            "maxLogFileAge": 90,
            "usageMeteringEnabled": True,
            "statisticsConfig": {
                "enabled": True,
                "samplingInterval": 30,
                "maxHistory": 0,
                "statisticsDir": "/srv/arcgis/directories/arcgissystem",
            },
        }
        self.properties: dict[str, Any] = {}
        self.directories: dict[str, dict[str, Any]] = {}
        for kind in ("cache", "jobs", "output", "system", "uploads", "input", "kml"):
            self.register_directory(
                {
                    "name": f"arcgis{kind}",
                    "physicalPath": f"/srv/arcgis/directories/arcgis{kind}",
                    "directoryType": kind.upper(),
                    "cleanupMode": "NONE",
                    "maxFileAge": "0",
                    "description": "",
                }
            )
        self.uploads: dict[str, dict[str, Any]] = {}
        self.data_items: dict[str, dict[str, Any]] = {
            "/fileShares/maps": {
                "path": "/fileShares/maps",
                "type": "folder",
                "id": "c0ffee00-0001",
                "provider": None,
                "clientPath": None,
                "totalRefCount": 2,
                "info": {"isManaged": False, "path": "/srv/maps", "dataStoreConnectionType": "shared"},
            }
        }
        self.users: dict[str, dict[str, Any]] = {}
        self.roles: dict[str, dict[str, Any]] = {"administrators": {"rolename": "administrators", "description": ""}}
        self.role_privileges: dict[str, str] = {"administrators": "ADMINISTER"}
        self.role_members: dict[str, list[str]] = {"administrators": []}
        self.psa_disabled = False
        self.kept: dict[str, Any] = {}
        """What single resources keep, by a name of their own; made when it is first asked for."""
        self.license_ends = clock() + rng.randint(200, 900) * DAY
        self.machines: dict[str, Machine] = {}
        for number in range(machines if machines is not None else rng.choice((1, 1, 2))):
            machine = Machine(f"{name.upper()}-{chr(65 + number)}.SIMULATED.EXAMPLE")
            machine.certificates["selfsignedcertificate"] = clock() + rng.randint(200, 1700) * DAY
            machine.started = clock() - 30 * DAY
            self.machines[machine.name] = machine
        self.folder_names: dict[str, str] = {} if folders == 0 else {"System": ""}
        self.services: dict[str, Service] = {}
        chosen = FOLDERS[: folders if folders is not None else rng.choice((1, 2, 2, 3))]
        for folder in chosen:
            self.folder_names[folder] = ""
        count = services if services is not None else rng.randint(6, 14)
        names = rng.sample(NAMES, min(count, len(NAMES)))
        names += [f"{names[i % len(names)]}{i}" for i in range(len(names), count)]
        for place, service in enumerate(names):
            folder = "" if not chosen else rng.choice(("", *chosen))
            self.add_service(folder, service, TYPES[place % len(TYPES)], rng)
        self.log_records: list[dict[str, Any]] = []
        for _ in range(rng.randint(5, 40)):
            level = rng.choice(("SEVERE", "WARNING", "WARNING"))
            told = rng.choice(TYPICAL)
            self.log(level, told, at=clock() - rng.uniform(0, 7 * DAY))

    def make_definition(self, name: str, kind: str, least: int = 1) -> dict[str, Any]:
        """The definition that such services have: every property is text."""
        return {
            "serviceName": name,
            "type": kind,
            "description": "",
            "capabilities": "Map,Query,Data" if kind == "MapServer" else "null",
            "provider": "ArcObjects11" if self.number >= 10.8 else "ArcObjects",
            "clusterName": "default",
            "minInstancesPerNode": least,
            "maxInstancesPerNode": max(2, least),
            "instancesPerContainer": 1,
            "maxWaitTime": 60,
            "maxStartupTime": 300,
            "maxIdleTime": 1800,
            "maxUsageTime": 600,
            "loadBalancing": "ROUND_ROBIN",
            "isolationLevel": "HIGH",
            "configuredState": "STARTED",
            "recycleInterval": 24,
            "recycleStartTime": "00:00",
            "keepAliveInterval": 1800,
            "private": False,
            "isDefault": False,
            "maxUploadFileSize": 0,
            "allowedUploadFileTypes": "",
            "properties": {
                "maxRecordCount": "1000",
                "isCached": "false",
                "filePath": f"/srv/arcgis/directories/arcgissystem/arcgisinput/{name}.{kind}/extracted/{name}.msd",
            },
            "extensions": [
                {
                    "typeName": extension,
                    "enabled": "true" if extension == "KmlServer" else "false",
                    "capabilities": None,
                    "maxUploadFileSize": 0,
                    "allowedUploadFileTypes": "",
                    "properties": {},
                }
                for extension in ("KmlServer", "WMSServer", "FeatureServer")
                if kind == "MapServer"
            ],
            "frameworkProperties": {},
            "jsonProperties": {},
            "datasets": [],
        }

    def add_service(self, folder: str, name: str, kind: str, rng: random.Random | None = None) -> Service:
        """A new service that runs."""
        definition = self.make_definition(name, kind, rng.choice((0, 1, 1, 2)) if rng else 1)
        service = Service(folder, name, kind, definition)
        if folder != "System":
            service.permissions = [
                {
                    "principal": "esriEveryone",
                    "permission": {"isAllowed": True, "constraint": ""},
                    "childURL": None,
                    "operation": None,
                }
            ]
        service.since = service.created = self.clock()
        service.origin = service.key
        if rng is not None:
            service.transactions = rng.randint(0, 5000)
            service.busy = 0
            service.rate = self._more.choice((0.02, 0.1, 0.5, 2.0))
            definition["description"] = self._more.choice(TEXTS)
        self.services[service.key] = service
        return service

    def new_upload(self, name: str, description: str | None, *, committed: bool) -> dict[str, Any]:
        """What is said of a new item of the uploads, which its maker keeps."""
        self.kept["uploaded"] = self.kept.get("uploaded", 0) + 1
        identity = f"i{self.kept['uploaded']:08x}"
        return {
            "itemID": identity,
            "itemName": name,
            "description": description,
            "pathOnServer": f"/srv/arcgis/uploads/{identity}/{name}",
            "date": round(self.clock() * 1000),
            "committed": committed,
        }

    def register_directory(self, form: dict[str, str]) -> None:
        """Keep a server directory as the API gives it back: paths end in no slash, flags are text."""
        self.directories[form["name"]] = {
            "name": form["name"],
            "physicalPath": form["physicalPath"].rstrip("/"),
            "directoryType": form["directoryType"],
            "cleanupMode": form["cleanupMode"],
            "maxFileAge": int(form.get("maxFileAge") or 0),
            "description": form.get("description", ""),
            "useLocalDir": form.get("useLocalDir", "false"),
            "localDirectoryPath": form.get("localDirectoryPath", ""),
            "virtualPath": f"/rest/directories/{form['name']}",
        }

    @property
    def number(self) -> float:
        """`currentVersion`: 10.51 is 10.5.1."""
        return RELEASES[self.release][0]

    def find(self, folder: str, name: str, kind: str) -> Service | None:
        """The service with these names, in the spelling that it was made with."""
        return self.services.get(f"{folder}/{name}.{kind}" if folder else f"{name}.{kind}")

    def running_machines(self) -> int:
        """How many machines run."""
        return sum(machine.real == "STARTED" for machine in self.machines.values())

    def real_of(self, service: Service) -> str:
        """The measured state of *service*: where no machine runs, nothing runs."""
        return service.real if self.running_machines() else "STOPPED"

    def transactions_of(self, service: Service, traffic: float) -> int:
        """Requests to *service* so far, those of its simulated users (*traffic* times its rate) among them."""
        if self.real_of(service) != "STARTED":
            return service.transactions
        return service.transactions + int(max(0.0, self.clock() - service.since) * service.rate * traffic)

    def busy_of(self, service: Service, traffic: float) -> int:
        """Instances of *service* that work at this moment; it changes every few seconds, and the seed decides how."""
        if service.busy or service.most < 2 or not traffic:
            return service.busy
        moment = int(self.clock() // 5)
        return int(zlib.crc32(f"{self.seed}/{self.name}/{service.key}/{moment}".encode()) % 100 < 20 * service.rate)

    def settle(self, service: Service, real: str, traffic: float) -> None:
        """Let *service* be in the state *real* from now on; what its users asked so far is kept."""
        service.transactions = self.transactions_of(service, traffic)
        service.since = self.clock()
        service.real = real

    def log(
        self,
        level: str,
        told: tuple[int, str],
        *,
        source: str = "Server",
        at: float | None = None,
        user: str = "",
        machine: str = "",
        method: str = "",
    ) -> None:
        """A log record, as if the site had written it; levels below the one in the log settings are not written."""
        wanted = self.log_settings["logLevel"]
        if wanted == "OFF" or LEVELS.index(level) > LEVELS.index(wanted):
            return
        self.log_records.append(
            self.record(level, told, source=source, at=at, user=user, machine=machine, method=method)
        )
        if len(self.log_records) > RECORDS_KEPT:
            del self.log_records[: RECORDS_KEPT // 10]

    def record(
        self,
        level: str,
        told: tuple[int, str],
        *,
        source: str = "Server",
        at: float | None = None,
        user: str = "",
        machine: str = "",
        method: str = "",
        request: str = "",
    ) -> dict[str, Any]:
        """The members of a log record; *at* is epoch seconds, and *request* an id that later releases tell."""
        record = {
            "type": level,
            "message": told[1],
            "time": round((self.clock() if at is None else at) * 1000),
            "source": source,
            "machine": machine or next(iter(self.machines), ""),
            "user": user,
            "code": told[0],
            "elapsed": "",
            "process": "4012",
            "thread": "1",
            "methodName": method,
        }
        if self.number >= 10.7:
            record["requestID"] = request
        return record
