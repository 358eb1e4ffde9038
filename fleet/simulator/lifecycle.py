"""The life of a simulated site: made, joined, exported, imported, upgraded, deleted, and its mode."""

from __future__ import annotations

from fleet.simulator.backup import emptied, exported, imported
from fleet.simulator.call import SUCCESS, Call, Route, route
from fleet.simulator.front import behind_web_adaptor
from fleet.simulator.state import LEVELS, RELEASES
from fleet.simulator.wire import Reply, admin_failure

__all__ = ["ROUTES", "WITHOUT_SITE"]

WITHOUT_SITE = frozenset({"admin/createnewsite", "admin/joinsite", "admin/upgrade"})
"""Paths that answer on a machine that belongs to no site."""


def mode(call: Call) -> Reply:
    state = call.site.state
    return Reply(
        {
            "siteMode": state.mode,
            "copyConfigLocal": state.mode == "READ_ONLY",
            "lastModified": round(state.mode_changed * 1000),
        }
    )


async def update_mode(call: Call) -> Reply:
    """READ_ONLY restarts the services that run; EDITABLE restarts nothing."""
    wanted = call.need("siteMode")
    if wanted not in ("EDITABLE", "READ_ONLY"):
        raise admin_failure(500, f"Invalid site mode '{wanted}'.")
    site = call.site
    state = site.state
    if wanted == "READ_ONLY" and state.mode != "READ_ONLY":
        running = [service for service in state.services.values() if service.real == "STARTED"]
        for service in running:
            state.settle(service, "STARTING", site.switches.traffic)
        await site.work("restart", "services", site.switches.start_time)
        for service in running:
            state.settle(service, service.configured, site.switches.traffic)
    state.mode, state.mode_changed = wanted, state.clock()
    site.faults.discard("read-only")
    state.log("INFO", (7010, f"The site is in the mode {wanted}."), user=call.user or "")
    return Reply(dict(SUCCESS), changed=True)


# Making and ending


def create_site(call: Call) -> Reply:
    """Make the site: the account that is given becomes its primary administrator.

    `settings` must be a flat object of log settings; a nested one, as the help prints it, has no effect.
    """
    site = call.site
    state = site.state
    if "no-site" not in site.faults:
        raise admin_failure(500, "The server machine already participates in a site.")
    user, password = call.need("username"), call.need("password")
    given = {name: call.json_object(name) for name in ("configStoreConnection", "directories") if call.get(name)}
    settings = call.json_object("settings") if call.get("settings") else {}
    if "configStoreConnection" in given and not str(given["configStoreConnection"].get("connectionString") or ""):
        raise admin_failure(500, "Failed to create the site. Configuration store error. Cannot get persistence.")
    for one in given.get("directories", {}).get("directories", []):
        state.register_directory(
            {key: str(one.get(key, "")) for key in ("name", "physicalPath", "directoryType", "cleanupMode")}
            | {"maxFileAge": str(one.get("maxFileAge", 0))}
        )
    if settings.get("logLevel") in ("OFF", *LEVELS):
        state.log_settings["logLevel"] = settings["logLevel"]
    if isinstance(settings.get("logDir"), str):
        state.log_settings["logDir"] = settings["logDir"].rstrip("/") + "/"
    site.tokens.become(user, password)
    site.faults.discard("no-site")
    site.restart()
    return Reply(dict(SUCCESS), changed=True)


def join_site(call: Call) -> Reply:
    """Join the site at `adminURL`, which here is any simulated one; says after how many seconds to ask again."""
    site = call.site
    if "no-site" not in site.faults:
        raise admin_failure(500, "The server machine already participates in a site.")
    call.need("adminURL")
    if site.tokens.check_password(call.need("username"), call.need("password")) is not None:
        raise admin_failure(500, "Failed to join the site. Invalid credentials.")
    site.faults.discard("no-site")
    site.restart()
    return Reply({**SUCCESS, "pollAfter": 1}, changed=True)


def delete_site(call: Call) -> Reply:
    """Afterwards every call of the admin API says that the machine is in no site."""
    site = call.site
    site.faults.add("no-site")
    site.tokens.forget_all()
    emptied(site)
    return Reply(dict(SUCCESS), changed=True)


# Export and import


def export_site(call: Call) -> Reply:
    """Keep the configuration under a location; with `validate` only look whether that would do."""
    state = call.site.state
    location = (call.get("location") or "/srv/arcgis/exports").rstrip("/")
    if not location.startswith("/"):
        raise admin_failure(500, f"Failed to export the site. The location '{location}' is not accessible.")
    if call.flag("validate"):
        return Reply({**SUCCESS, "location": location})
    place = f"{location}/{state.name}.agssite"
    state.kept.setdefault("exports", {})[place] = exported(call.site)
    return Reply({**SUCCESS, "location": place}, changed=True)


async def import_site(call: Call) -> Reply:
    """Replace the configuration by one that was exported; everything restarts."""
    site = call.site
    state = site.state
    if behind_web_adaptor(site):
        raise admin_failure(500, "The site cannot be imported through a web adaptor.")
    place = call.need("location")
    text = state.kept.get("exports", {}).get(place)
    if text is None:
        raise admin_failure(500, f"Failed to import the site. The file '{place}' is not accessible.")
    imported(site, text)
    for service in state.services.values():
        service.real = "STARTING" if service.configured == "STARTED" else "STOPPED"
    await site.work("restart", "services", site.switches.start_time)
    for service in state.services.values():
        service.real = service.configured
    site.restart()
    return Reply({**SUCCESS, "result": [{"source": place, "messages": []}]}, changed=True)


# Upgrade


def upgrade_status(call: Call) -> Reply:
    """Where an upgrade stands; once it is over the resource is gone."""
    site = call.site
    if "upgrading" in site.faults:
        return Reply({"upgradeStatus": "IN_PROGRESS"})
    if site.switches.upgrade_required:
        return Reply({"upgradeStatus": "UPGRADE_REQUIRED"})
    raise admin_failure(404, "Could not find resource or operation 'upgrade' on the system.")


async def upgrade(call: Call) -> Reply:
    """Upgrade: other calls are refused meanwhile. `runAsync` is known from 11.3 on and ignored before."""
    site = call.site
    if "upgrading" in site.faults:
        raise admin_failure(403, "Upgrade in progress.")
    if not site.switches.upgrade_required:
        raise admin_failure(404, "Could not find resource or operation 'upgrade' on the system.")
    site.faults.add("upgrading")

    async def work() -> None:
        try:
            await site.work("run", "upgrade", site.switches.upgrade_time)
        finally:
            site.faults.discard("upgrading")
        site.switches.upgrade_required = False
        site.restart()

    if call.flag("runAsync") and RELEASES[site.state.release][0] >= 11.3:
        site.spawn(work())
    else:
        await work()
    return Reply(dict(SUCCESS), changed=True)


ROUTES: tuple[Route, ...] = (
    route("GET POST", "admin/mode", mode),
    route("POST", "admin/mode/update", update_mode, changes=True, read_only_ok=True, lock="site", run_async=True),
    route("POST", "admin/createNewSite", create_site, changes=True, token=False, lock="site", run_async=True),
    route("POST", "admin/joinSite", join_site, changes=True, token=False, lock="site", read_only_ok=True),
    route("POST", "admin/deleteSite", delete_site, changes=True, lock="site", read_only_ok=False),
    route("POST", "admin/exportSite", export_site, changes=True, lock="site", read_only_ok=True),
    route("POST", "admin/importSite", import_site, changes=True, lock="site"),
    route("GET", "admin/upgrade", upgrade_status, token=False),
    route("POST", "admin/upgrade", upgrade, changes=True, token=False, lock=""),
)
