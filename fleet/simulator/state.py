"""The state of one simulated site: machines, services, logs, licences, made from a seed and changed by requests."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["RELEASES", "Machine", "Service", "SiteState", "Switches"]

RELEASES: dict[str, tuple[float, str, str]] = {
    "10.5.1": (10.51, "10.5.1", "7333"),
    "10.9.1": (10.91, "10.9.1", "28388"),
    "11.1": (11.1, "11.1.0", "42869"),
    "11.3": (11.3, "11.3.0", "51575"),
}
"""Release -> currentVersion, fullVersion, build."""

DAY = 86_400.0

NAMES = (
    "Hydrants Parcels Roads Basemap Zoning Trails Bridges Sewers Addresses Contours Buildings Flood Landuse Imagery "
    "Permits Schools Transit Noise Lighting Waste Soil Heritage Harbours Power Districts"
).split()
FOLDERS = ("Planning", "Utilities", "Public")
TYPES = ("MapServer", "MapServer", "MapServer", "FeatureServer", "ImageServer", "GPServer", "GeocodeServer")


@dataclass(slots=True)
class Machine:
    """A machine of the site; its name is upper-case and fully qualified."""

    name: str
    configured: str = "STARTED"
    real: str = "STARTED"
    heap: int = 512
    certificates: dict[str, float] = field(default_factory=dict)
    """Alias -> end of validity in epoch seconds."""


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
    permissions: list[dict[str, Any]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)

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
        return int(self.definition.get("maxInstancesPerNode", 0))


@dataclass(slots=True)
class Switches:
    """Ways in which real servers differ, and strict manners that are off by default."""

    content_type: str = "text/plain;charset=UTF-8"
    header_token: str = "accepted"  # or ignored
    get_generate_token: bool = False
    list_parameter: bool = False
    expires_as_text: bool | None = None
    post_token_in_query: bool = True
    latency: float = 0.0
    start_time: float = 0.0
    stop_time: float = 0.0
    token_minutes: float = 60.0
    lacking: frozenset[str] = frozenset()
    """Operations, by the last part of their path, that the site says it does not have."""


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
        self.name = name
        self.release = release
        self.clock = clock
        self.mode = "EDITABLE"
        self.mode_changed = clock()
        self.log_settings: dict[str, Any] = {
            "logDir": "/srv/arcgis/logs/",
            "logLevel": "WARNING",
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
        self.license_ends = clock() + rng.randint(200, 900) * DAY
        self.machines: dict[str, Machine] = {}
        for number in range(machines if machines is not None else rng.choice((1, 1, 2))):
            machine = Machine(f"{name.upper()}-{chr(65 + number)}.SIMULATED.EXAMPLE")
            machine.certificates["selfsignedcertificate"] = clock() + rng.randint(200, 1700) * DAY
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
            self.log(
                rng.choice(("SEVERE", "WARNING", "WARNING")),
                rng.choice(
                    (
                        (9511, "No instances for 'System/PublishingTools.GPServer' were available for 60 seconds."),
                        (9003, "Failed to construct instance of service."),
                        (8254, "The containing process for a service has crashed."),
                    )
                ),
                at=clock() - rng.uniform(0, 7 * DAY),
            )

    def add_service(self, folder: str, name: str, kind: str, rng: random.Random | None = None) -> Service:
        """A service with the definition that such services have: every property is text."""
        least = rng.choice((0, 1, 1, 2)) if rng else 1
        definition: dict[str, Any] = {
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
        service = Service(folder, name, kind, definition)
        service.permissions = [
            {
                "principal": "esriEveryone",
                "permission": {"isAllowed": True, "constraint": ""},
                "childURL": None,
                "operation": None,
            }
        ]
        if rng is not None:
            service.transactions = rng.randint(0, 5000)
            service.busy = 0
        self.services[service.key] = service
        return service

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

    def log(self, level: str, told: tuple[int, str], *, source: str = "Server", at: float | None = None) -> None:
        """A log record, as if the site had written it."""
        record = {
            "type": level,
            "message": told[1],
            "time": round((self.clock() if at is None else at) * 1000),
            "source": source,
            "machine": next(iter(self.machines), ""),
            "user": "",
            "code": told[0],
            "elapsed": "",
            "process": "4012",
            "thread": "1",
            "methodName": "",
        }
        if self.number >= 10.7:
            record["requestID"] = ""
        self.log_records.append(record)
