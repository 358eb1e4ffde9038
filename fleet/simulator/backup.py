"""What an export of a simulated site holds, and how an import puts it back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fleet.simulator.definitions import put_back, taken_out

if TYPE_CHECKING:
    from fleet.simulator.site import SimulatedSite

__all__ = ["emptied", "exported", "imported"]

PARTS = (
    "folder_names",
    "properties",
    "directories",
    "data_items",
    "users",
    "roles",
    "role_privileges",
    "role_members",
    "log_settings",
)
"""Attributes of the state that a backup holds."""

KEPT = (
    "permissions",
    "usagereports",
    "servicesdirectory",
    "security_config",
    "token_settings",
    "data_config",
    "services_properties",
    "extensions",
)
"""What single resources keep, and a backup holds too."""


def exported(site: SimulatedSite) -> str:
    """The configuration of *site* as a text; passwords of its accounts are in it, as in a real backup."""
    state = site.state
    return json.dumps(
        {
            "services": [taken_out(service) for service in state.services.values()],
            "state": {name: getattr(state, name) for name in PARTS},
            "kept": {name: state.kept[name] for name in KEPT if name in state.kept},
            "accounts": {name: site.tokens.accounts[name] for name in state.users if name in site.tokens.accounts},
        }
    )


def imported(site: SimulatedSite, text: str) -> None:
    """Let *site* be as it was when *text* was exported: what came later is gone. Services stand still."""
    kept: dict[str, Any] = json.loads(text)
    state, primary = site.state, site.tokens.primary
    for name, value in kept["state"].items():
        setattr(state, name, value)
    for name in KEPT:
        state.kept.pop(name, None)
    state.kept.update(kept["kept"])
    state.services = {}
    for entry in kept["services"]:
        put_back(state, entry)
    for name in [name for name in site.tokens.accounts if name != primary]:
        del site.tokens.accounts[name]
    site.tokens.accounts.update(kept["accounts"])


def emptied(site: SimulatedSite) -> None:
    """Let nothing be left of *site* but its machine, as after deleting it."""
    state = site.state
    state.services.clear()
    state.folder_names = {"System": ""} if state.folder_names else {}
    for mapping in (state.data_items, state.users, state.properties, state.uploads):
        mapping.clear()
    state.roles = {"administrators": {"rolename": "administrators", "description": ""}}
    state.role_privileges, state.role_members = {"administrators": "ADMINISTER"}, {"administrators": []}
    for name in [name for name in site.tokens.accounts if name != site.tokens.primary]:
        del site.tokens.accounts[name]
    for name in [*KEPT, "webadaptors", "store_machines", "clusters", "sources", "jobs", "kml"]:
        state.kept.pop(name, None)
    first = next(iter(state.machines))
    state.machines = {first: state.machines[first]}
