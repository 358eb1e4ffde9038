"""What to do next about a check that says nothing of it itself: by what stood in its way."""

from __future__ import annotations

from fleet.errors import Kind, SiteError

__all__ = ["advice_for"]

LOOK = "fleet call rest/info --trace"

BY_KIND: dict[Kind, str] = {
    "connect": f"see whether the site runs, and whether its url is right: {LOOK}",
    "tls": f"see what stands between: {LOOK}",
    "timeout": f"raise --timeout if the site is only slow; see where it hangs: {LOOK}",
    "auth": "see whether the account signs in: fleet health --check login",
    "config": "see what the inventory says: fleet inventory check",
    "forbidden": "give the account the privilege, or switch the check off for this site; see whose it is: "
    "fleet call admin/info",
    "not_found": f"see whether the url is that of a site: {LOOK}",
    "locked": "wait until the other administrative operation is over, and ask again: fleet health",
    "server": "look at the site's log: fleet logs query --level SEVERE",
    "protocol": f"see what answers there: {LOOK}",
    "too_large": f"see what answers there: {LOOK}",
    "redirect": f"see where the site sends its callers: {LOOK}",
    "circuit_open": "wait half a minute, and ask again: fleet health",
    "cancelled": "ask again: fleet health",
    "deadline": "raise --deadline, or select fewer sites: fleet health",
}


def advice_for(obstacle: SiteError | None, check: str, site: str) -> str:
    """The next step for *check* on *site*, of which *obstacle* tells why it is not well; never empty."""
    if obstacle is not None:
        if obstacle.hint:
            return obstacle.hint
        step = BY_KIND.get(obstacle.kind)
        if step is not None:
            return step if step.endswith("inventory check") else f"{step} -s {site}"
    return f"look at it alone: fleet health --check {check} -v -s {site}"
