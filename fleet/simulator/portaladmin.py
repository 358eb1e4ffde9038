"""The administration of a simulated portal: its federated servers, machines, mode, indexes, licences and logs."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fleet.simulator.call import Call
from fleet.simulator.logs import moment, wanted
from fleet.simulator.state import RELEASES
from fleet.simulator.wire import Failure, Reply, rest_failure

if TYPE_CHECKING:
    from fleet.simulator.portal import SimulatedPortal
    from fleet.simulator.site import SimulatedSite

__all__ = ["PortalAdministration"]

ROLES = ("FEDERATED_SERVER", "FEDERATED_SERVER_WITH_RESTRICTED_PUBLISHING", "HOSTING_SERVER")
MACHINE = "PORTAL.SIMULATED.EXAMPLE"
DAY = 86_400.0
MOST = 10_000
UNSEEN = "java.net.ConnectException: Connection refused"


class PortalAdministration:
    """What lies below `portaladmin`, with its state. `functions` is what each server does beside its role."""

    def __init__(self, portal: SimulatedPortal) -> None:
        self._portal = portal
        self.functions: dict[str, str] = {}
        self.known: list[SimulatedSite] = []
        """Sites that are not federated, and could be."""
        self.read_only = False
        self.indexes = {"users": [41, 41], "groups": [12, 12], "search": [230, 229]}
        """Name of an index -> how much the database has, and how much the index."""
        self.records: list[dict[str, Any]] = []
        chosen = random.Random("portal/records")
        for _ in range(12):
            self._log("WARNING", 207051, "The index differs from the database.", age=chosen.uniform(0, 7 * DAY))

    def _log(self, level: str, code: int, text: str, *, user: str = "", age: float = 0.0) -> None:
        record = {
            "type": level,
            "message": text,
            "time": round((self._portal.clock() - age) * 1000),
            "source": "Portal Admin",
            "machine": MACHINE,
            "user": user,
            "code": code,
            "elapsed": "",
            "process": "1956",
            "thread": "14",
            "methodName": "",
        }
        self.records.append(record)

    @property
    def _release(self) -> float:
        return RELEASES[self._portal.release][0]

    def answer(self, call: Call, path: str) -> Reply | None:
        """The reply to *call* at *path* (lower case, below `portaladmin`); None where nothing is."""
        if path == "federation":
            return Reply({"resources": ["servers"]})
        if path.startswith("federation/servers"):
            return self._servers(call, path.removeprefix("federation/servers").strip("/"))
        if path == "machines":
            url = urlsplit(self._portal.url)
            place = {"machineName": MACHINE, "adminURL": f"{url.scheme}://{MACHINE}:7443/arcgis"}
            return Reply({"machines": [{**place, "role": "primary", "platform": "Linux-amd64-64"}]})
        if path == f"machines/status/{MACHINE.lower()}":
            return Reply({"status": "success"})
        if path.startswith("mode") and self._release >= 10.8:
            return self._mode(call, path)
        if path == "system/indexer/status":
            return self._index_status()
        if path == "system/indexer/reindex" and call.method == "POST":
            self.indexes = {name: [count, count] for name, (count, _) in self.indexes.items()}
            return Reply({"status": "success"}, changed=True)
        if path == "license" and self._release >= 10.7:
            return self._license()
        return self._logs(call) if path == "logs/query" else None

    # Federation

    def server(self, site: SimulatedSite, *, trust: bool) -> dict[str, Any]:
        """A federated server, as it is listed; with *trust* also its key, in clear."""
        entry: dict[str, Any] = {
            "id": f"id-{site.name}",
            "name": urlsplit(site.url).netloc,
            "adminUrl": site.url,
            "url": site.url,
            "isHosted": self._portal.roles.get(site.name) == "HOSTING_SERVER",
            "serverType": "ArcGIS",
            "serverRole": self._portal.roles.get(site.name, "FEDERATED_SERVER"),
            "serverFunction": self.functions.get(site.name, ""),
        }
        return {**entry, "webgisServerTrustKey": "simulated-trust-key"} if trust else entry

    def _servers(self, call: Call, rest: str) -> Reply | None:
        portal = self._portal
        if rest == "":
            return Reply({"servers": [self.server(site, trust=True) for site in portal.sites]})
        if rest == "validate":
            states = [self._validated(site) for site in portal.sites]
            worst = "failure" if any(state["status"] == "failure" for state in states) else "success"
            return Reply({"status": worst, "serversStatus": states})
        if rest == "federate" and call.method == "POST":
            return self._federate(call)
        identity, _, operation = rest.partition("/")
        site = next((one for one in portal.sites if f"id-{one.name}".lower() == identity), None)
        if site is None:
            return None
        if operation == "":
            return Reply(self.server(site, trust=True))
        if operation == "validate":
            return Reply(self._validated(site))
        if call.method != "POST":
            return None
        if operation == "update":
            return self._update(call, site)
        return self._unfederate(call, site) if operation == "unfederate" else None

    def _validated(self, site: SimulatedSite) -> dict[str, Any]:
        """A server that fails its check is a normal answer."""
        told: dict[str, Any] = {"serverId": f"id-{site.name}", "status": "success", "messages": []}
        if site.faults:
            self._log("WARNING", 207052, f"Validation failed for federated server '{site.url}'.")
            told |= {"status": "failure", "messages": [UNSEEN]}
        return {**told, "adminUrl": site.url} if self._release >= 11.1 else told

    def _federate(self, call: Call) -> Reply:
        url, admin_url = call.need("url"), call.need("adminUrl")
        user, password = call.need("username"), call.need("password")

        def meant(site: SimulatedSite) -> bool:
            return site.url.lower() in (url.rstrip("/").lower(), admin_url.rstrip("/").lower())

        if any(meant(site) for site in self._portal.sites):
            raise rest_failure(500, "The server is already federated.")
        site = next((one for one in self.known if meant(one)), None)
        if site is None or site.faults & {"refused", "hang", "reset"}:
            raise rest_failure(500, f"The server '{url[:200]}' can't be reached.", (UNSEEN,))
        if site.tokens.check_password(user, password) is not None:
            raise rest_failure(500, "The administrator of the server was refused.")
        self.known.remove(site)
        self._portal.sites.append(site)
        site.portal_url, site.portal_tokens = self._portal.url, self._portal.tokens
        self._log("INFO", 207053, f"The server '{site.url}' was federated.", user=call.user or "")
        return Reply({"status": "success", "serverId": f"id-{site.name}"}, changed=True)

    def _update(self, call: Call, site: SimulatedSite) -> Reply:
        role = call.need("serverRole")
        if role not in ROLES:
            raise rest_failure(500, f"The server role '{role[:60]}' is not valid.")
        self._portal.roles[site.name] = role
        if (functions := call.get("serverFunction")) is not None:
            self.functions[site.name] = functions
        self._log("INFO", 207054, f"The role of '{site.url}' is {role}.", user=call.user or "")
        return Reply({"status": "success"}, changed=True)

    def _unfederate(self, call: Call, site: SimulatedSite) -> Reply:
        """The server stands alone again; one that can't be reached is let go by force only."""
        if site.faults & {"refused", "hang", "reset"} and not call.flag("forceUnfederate"):
            raise rest_failure(500, f"The server '{site.url}' can't be reached.", (UNSEEN,))
        self._portal.sites.remove(site)
        self.known.append(site)
        self._portal.roles.pop(site.name, None)
        self.functions.pop(site.name, None)
        site.portal_url = site.portal_tokens = None
        self._log("INFO", 207055, f"The server '{site.url}' was unfederated.", user=call.user or "")
        return Reply({"status": "success"}, changed=True)

    # The portal itself

    def _mode(self, call: Call, path: str) -> Reply | None:
        if path == "mode":
            told: dict[str, Any] = {"isReadOnly": self.read_only}
            if self.read_only:
                servers = [f"id-{site.name}" for site in self._portal.sites]
                told |= {"message": "The portal is in read-only mode.", "servers": servers}
            return Reply(told)
        if path == "mode/update" and call.method == "POST":
            call.need("isReadOnly")
            self.read_only = call.flag("isReadOnly")
            return Reply({"status": "success"}, changed=True)
        return None

    def _index_status(self) -> Reply:
        rows = [{"name": name, "databaseCount": ours, "indexCount": its} for name, (ours, its) in self.indexes.items()]
        well = all(abs(ours - its) <= 1 for ours, its in self.indexes.values())
        return Reply({"indexes": rows, "syncStatus": str(well).lower()})

    def _license(self) -> Reply:
        ends = round((self._portal.began + 300 * DAY) * 1000)
        members = len(self._portal.tokens.accounts)
        kinds = [
            {"id": kind, "currentRegisteredMembers": count, "maximumRegisteredMembers": 50, "expiration": ends}
            for kind, count in (("creatorUT", members), ("viewerUT", 0))
        ]
        return Reply(
            {
                "version": RELEASES[self._portal.release][1],
                "currentRegisteredMembers": members,
                "maximumRegisteredMembers": 100,
                "userTypes": kinds,
                "appBundles": [],
                "apps": [],
                "extensions": [],
            }
        )

    def _logs(self, call: Call) -> Reply:
        """The portal's own records, and from 11.1 on those of its servers, unless `federatedServers` is empty."""
        records = list(self.records)
        if self._release >= 11.1 and call.get("federatedServers") != "":
            records += [record for site in self._portal.sites for record in site.state.log_records]
        try:
            newest = moment(call.get("startTime"), round(self._portal.clock() * 1000))
            oldest = moment(call.get("endTime"), 0)
            size = max(1, min(call.whole("pageSize", 1000), MOST))
        except Failure as failure:
            raise rest_failure(500, failure.reply.value["messages"][0]) from None
        passes = wanted(call)
        found = [record for record in records if oldest <= record["time"] <= newest and passes(record)]
        found.sort(key=lambda record: -record["time"])
        more = len(found) > size
        shown = found[:size]
        end = shown[-1]["time"] if more else (oldest or (shown[-1]["time"] if shown else newest))
        return Reply({"hasMore": more, "startTime": newest, "endTime": end, "logMessages": shown})
