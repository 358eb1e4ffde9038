"""What stands in front of a simulated site's API and answers in its place: web adaptors, sign-ons, redirects, pages."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from fleet.simulator.directory import wants_page
from fleet.simulator.wire import Reply, html_page

if TYPE_CHECKING:
    from fleet.simulator.call import Call
    from fleet.simulator.site import SimulatedSite

__all__ = ["answer_in_front", "behind_web_adaptor", "gateway_page"]

ADMINISTRATIVE = ("admin", "manager")
DEAD = "Could not access any server machines. Please contact your system administrator."


def answer_in_front(site: SimulatedSite, call: Call, *, slash: bool) -> Reply | None:
    """The answer that *call* gets before the API sees it, or None. *slash* says whether its path ended in a slash."""
    path = call.path.rstrip("/").lower()
    first = path.partition("/")[0]
    if "http-503" in site.faults:
        return html_page("Service Unavailable", "The service is unavailable.", status=503)
    if "html" in site.faults:
        return html_page("ArcGIS Server Administrator Directory", "Home")
    signing = _web_tier(site, call, path)
    if signing is not None:
        return signing
    adaptor = site.switches.web_adaptor
    if adaptor == "dead-back-end":
        return html_page("ArcGIS Web Adaptor", DEAD)
    if ("admin-blocked" in site.faults or adaptor == "admin-blocked") and first in ADMINISTRATIVE:
        # Two blank lines: readers of JSON stumble at line 3, column 1 (char 4).
        return html_page("ArcGIS Web Adaptor", "Administrative access is disabled for this web adaptor.", blank_lines=2)
    if site.unregistered():
        return html_page("Server Error", "The registration with the web adaptor could not be checked.", status=500)
    if _closed(site, call, first):
        return html_page("Forbidden", "Direct access to this server is not allowed.", status=403)
    if path == "admin" and not slash:
        query = "&".join(f"{quote(key)}={quote(call.params[key])}" for key in call.params if key.lower() in call.query)
        place = f"{call.base}{site.context}/admin/" + (f"?{query}" if query else "")
        return Reply(body=b"", status=site.switches.missing_slash, headers={"Location": place})
    if path in ("rest/info/healthcheck", "admin/info/healthcheck") and wants_page(call):
        # Balancers are told to ask for this form and to look at the status only.
        ill = "unhealthy" in site.faults
        return html_page("Health Check", f"Success: {str(not ill).lower()}", status=503 if ill else 200)
    return None


def behind_web_adaptor(site: SimulatedSite) -> bool:
    """Whether callers reach *site* through a web adaptor."""
    return site.switches.web_adaptor != "none" or "admin-blocked" in site.faults


def gateway_page(site: SimulatedSite) -> Reply:
    """What a web adaptor or balancer says that has waited long enough, while the site works on."""
    title = "Gateway Timeout" if site.switches.gateway_status == 504 else "Bad Gateway"
    return html_page(title, "The server did not respond in time.", status=site.switches.gateway_status)


def _web_tier(site: SimulatedSite, call: Call, path: str) -> Reply | None:
    kind = site.switches.web_tier
    if kind == "challenge":
        page = html_page("Unauthorized", "Access is denied.", status=401)
        page.headers["WWW-Authenticate"] = "Negotiate"
        return page
    if kind == "login-page":
        if path == "login":
            return html_page("Sign in", "Enter your user name and password.")
        back = quote(f"{site.context}/{call.path}", safe="")
        return Reply(body=b"", status=302, headers={"Location": f"{call.base}{site.context}/login?ReturnUrl={back}"})
    return None


def _closed(site: SimulatedSite, call: Call, first: str) -> bool:
    """What the security configuration keeps out: everybody who comes past the web adaptor, or strangers to admin."""
    config = site.state.kept.get("security_config", {})
    if config.get("allowDirectAccess") is False and not behind_web_adaptor(site):
        return True
    allowed = str(config.get("allowedAdminAccessIPs") or "")
    listed = [one.strip() for one in allowed.split(",") if one.strip()]
    return bool(listed) and first == "admin" and call.address not in listed
