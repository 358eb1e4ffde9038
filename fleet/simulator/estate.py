"""What a simulated site has gathered over the years: owners, permissions, data stores, accounts, certificates, wear.

All of it is drawn from a stream of its own, so that what a seed made before stays as it was.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from fleet.simulator.certificates import Details, details_of
from fleet.simulator.kinds import SHARED, SHARED_SINCE
from fleet.simulator.permissions import permission
from fleet.simulator.state import DAY, Service, SiteState
from fleet.simulator.webadaptors import new_adaptor

if TYPE_CHECKING:
    from fleet.simulator.site import SimulatedSite

__all__ = ["furnish"]

ACCOUNTS = (
    ("deputy-admin", "administrators"),
    ("planning-editor", "map-publishers"),
    ("utilities-editor", "map-publishers"),
    ("web-viewer", "map-viewers"),
)
"""Accounts of the user store, and the role of each. Their password is that of every simulated site."""

ROLES = (("map-publishers", "PUBLISH", "Those who publish services"), ("map-viewers", "ACCESS", "Those who look"))
OWNERS = ("siteadmin", "planning-editor", "utilities-editor")
DATABASES = ("gisprod", "assets")
FURTHER = (
    (8259, "SEVERE", "The data of service '{service}' could not be opened."),
    (8254, "SEVERE", "The containing process for service '{service}' has crashed."),
    (17873, "WARNING", "Error executing tool. ExecuteError: ERROR 000732: dataset does not exist."),
    (9000, "WARNING", "The service '{service}' took longer than expected to draw."),
)
"""Code, level and text of log records that name a service."""


def furnish(site: SimulatedSite, password: str) -> None:
    """Give *site* what its switch `estate` says: nothing more, what sites usually have, or that and its wear."""
    estate, state = site.switches.estate, site.state
    if estate == "bare":
        return
    chosen = random.Random(f"{state.seed}/{state.name}/estate")
    _stores(state, chosen)
    _accounts(site, password)
    for place, service in enumerate(state.services.values()):
        _service(state, service, chosen, plain=not place)
    for record in state.log_records:
        record["machine"] = chosen.choice(list(state.machines))
    _records(state, chosen)
    for machine in state.machines.values():
        _certificate(state, machine, "gis-wildcard", chosen.randint(120, 700))
    number = chosen.randint(10, 99)
    url = f"https://gis{number}.gis.example/server"
    new_adaptor(state, url, f"WEB{number}.SIMULATED.EXAMPLE", f"192.0.2.{number}")
    if estate == "worn":
        _wear(site, chosen)


def _stores(state: SiteState, chosen: random.Random) -> None:
    """A data store of each kind: managed ones, databases of one's own, a tile cache, a bucket."""
    number = chosen.randrange(16**4)
    machines = [f"DS{place}.SIMULATED.EXAMPLE" for place in (1, 2)]
    places = [{"name": one, "adminURL": f"https://{one}:2443/arcgis/datastoreadmin"} for one in machines]

    def keep(path: str, kind: str, provider: str | None, info: dict[str, Any]) -> None:
        state.data_items[path] = {
            "path": path,
            "type": kind,
            "id": f"{chosen.getrandbits(64):016x}",
            "provider": provider,
            "clientPath": None,
            "totalRefCount": 0,
            "info": info,
        }

    managed = f"AGSDataStore_ds_{number:04x}"
    text = _connection(chosen, machines[0].lower(), f"db_{number:04x}", 9876)
    keep(
        f"/enterpriseDatabases/{managed}",
        "egdb",
        "ArcGIS Data Store",
        {"isManaged": True, "connectionString": text, "dataStoreConnectionType": "serverOnly", "machines": places},
    )
    sources = [{"path": f"/enterpriseDatabases/{managed}", "database": f"db_{number:04x}", "connectionString": text}]
    for place, database in enumerate(DATABASES, start=1):
        text = _connection(chosen, f"db{place}.gis.example", database, 5432)
        info = {"isManaged": False, "connectionString": text, "dataStoreConnectionType": "shared"}
        keep(f"/enterpriseDatabases/{database}", "egdb", None, info)
        sources.append({"path": f"/enterpriseDatabases/{database}", "database": database, "connectionString": text})
    state.kept["sources"] = sources
    keep(
        f"/nosqlDatabases/AGSDataStore_nosql_db_{number:04x}",
        "nosql",
        "ArcGIS Data Store",
        {"isManaged": True, "dsFeature": "tileCache", "machines": places[:1]},
    )
    bucket = {"provider": "amazon", "connectionString": '{"regionEndpointUrl":"s3.gis.example"}'}
    keep("/cloudStores/imagery", "cloudStore", "amazon", {"isManaged": False, "objectStore": "imagery", **bucket})


def _connection(chosen: random.Random, server: str, database: str, port: int) -> str:
    """A connection string as servers keep it, with the password that only they can read."""
    return (
        f"ENCRYPTED_PASSWORD=00022e68{chosen.getrandbits(128):032x};SERVER={server};"
        f"INSTANCE=sde:postgresql:{server},{port};DBCLIENT=postgresql;DB_CONNECTION_PROPERTIES={server},{port};"
        f"DATABASE={database};USER=gis;AUTHENTICATION_MODE=DBMS"
    )


def _accounts(site: SimulatedSite, password: str) -> None:
    state = site.state
    for role, privilege, text in ROLES:
        state.roles[role] = {"rolename": role, "description": text}
        state.role_privileges[role] = privilege
        state.role_members[role] = []
    for name, role in ACCOUNTS:
        state.users[name] = {
            "username": name,
            "fullname": name.replace("-", " ").title(),
            "description": "",
            "email": f"{name}@gis.example",
            "disabled": False,
        }
        site.tokens.accounts[name] = password
        state.role_members[role].append(name)


def _service(state: SiteState, service: Service, chosen: random.Random, *, plain: bool) -> None:
    """Who owns it, since when, who may use it, on which instances it runs, and whether anybody asks for it.

    A *plain* one has instances of its own, is open to everyone, and is in use; the first service of a site is one.
    """
    service.owner = chosen.choice(OWNERS)
    service.created = state.clock() - chosen.uniform(30, 900) * DAY
    shared, kinds, closed, idle = (chosen.random() for _ in range(4))
    if plain:
        return
    if service.type == "MapServer":
        if shared < 0.3 and state.number >= SHARED_SINCE:
            service.definition |= {"provider": SHARED, "minInstancesPerNode": 0, "maxInstancesPerNode": 0}
        for extension in service.definition["extensions"]:
            if extension["typeName"] == "FeatureServer" and kinds < 0.4:
                extension |= {"enabled": "true", "capabilities": "Query,Create,Update,Delete,Editing"}
            elif extension["typeName"] == "WMSServer" and 0.2 < kinds < 0.6:
                extension |= {"enabled": "true", "properties": {"title": service.name, "inheritLayerNames": "false"}}
    if closed < 0.15:
        service.permissions = [permission("esriEveryone", False), permission("map-publishers", True)]
    if idle < 0.12:
        service.rate, service.transactions = 0.0, 0


def _records(state: SiteState, chosen: random.Random) -> None:
    """Records that name services, of several machines; some come in the same millisecond from each."""
    services, machines = list(state.services), list(state.machines)
    if not services:
        return
    for _ in range(chosen.randint(6, 20)):
        code, level, text = chosen.choice(FURTHER)
        at = state.clock() - chosen.uniform(0, 7 * DAY)
        service = chosen.choice(services)
        for machine in machines if chosen.random() < 0.2 else [chosen.choice(machines)]:
            told = (code, text.format(service=service))
            state.log(level, told, source=service, at=at, machine=machine)


def _certificate(state: SiteState, machine: Any, alias: str, days: int) -> None:
    now = state.clock()
    machine.certificates[alias] = now + days * DAY
    machine.details[alias] = Details(
        "CN=*.gis.example",
        "CN=Simulated Issuing Authority",
        now + (days - 730) * DAY,
        ["DNS:*.gis.example"],
        own=False,
    )


def _wear(site: SimulatedSite, chosen: random.Random) -> None:
    """What nobody has looked after: ends that are near, things that are no longer there, doors left open."""
    state = site.state
    state.license_ends = state.clock() + chosen.randint(3, 25) * DAY
    for machine in state.machines.values():
        details_of(machine, machine.alias)
        machine.certificates[machine.alias] = state.clock() + chosen.randint(2, 20) * DAY
        _certificate(state, machine, "former-wildcard", -chosen.randint(5, 300))
    new_adaptor(state, "https://old.gis.example/arcgis", "WEB1-RETIRED.SIMULATED.EXAMPLE", "192.0.2.9")
    site.switches.missing_directories |= {chosen.choice(("arcgisjobs", "arcgiscache", "arcgisoutput"))}
    state.role_privileges["map-viewers"] = chosen.choice(("PUBLISH", "ADMINISTER"))
    state.kept.setdefault("token_settings", {}).update(
        {"sharedKey": "shared-key-of-this-site", "shortTimeout": "60", "longTimeout": "525600", "allowHttpGet": "true"}
    )
    items = [item for item in state.data_items.values() if item["type"] == "egdb" and not item["info"]["isManaged"]]
    state.kept["broken_items"] = [chosen.choice(items)["path"]] if items else []
