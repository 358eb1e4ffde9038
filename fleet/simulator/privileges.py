"""Who may do what on a simulated site: the privilege of an account, by its roles, and what each privilege reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleet.simulator.site import SimulatedSite
    from fleet.simulator.state import SiteState

__all__ = ["privilege_of", "refuses"]

ORDER = ("ACCESS", "PUBLISH", "ADMINISTER")
FOR_PUBLISHERS = ("admin/services", "admin/uploads", "admin/data", "admin/info", "admin/system/jobs")


def privilege_of(state: SiteState, user: str) -> str:
    """The highest privilege that the roles of *user*, an account of the user store, give."""
    best = "ACCESS"
    for role, members in state.role_members.items():
        given = state.role_privileges.get(role, "ACCESS")
        if user in members and ORDER.index(given) > ORDER.index(best):
            best = given
    return best


def refuses(site: SimulatedSite, user: str, path: str) -> str | None:
    """The sentence that refuses *user* at *path* (lower case), or None.

    Accounts that are not of the site's own store (the primary administrator, accounts of a portal) may do everything.
    Publishers have services, uploads and data items; what real servers say here was not recorded.
    """
    if not path.startswith("admin") or user not in site.state.users:
        return None
    privilege = privilege_of(site.state, user)
    if privilege == "ADMINISTER":
        return None
    if privilege == "PUBLISH" and (path == "admin" or path.startswith(FOR_PUBLISHERS)):
        return None
    return f"User '{user}' does not have the privilege for this operation."
