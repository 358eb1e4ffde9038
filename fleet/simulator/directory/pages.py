"""Pages in place of JSON: a simulated site's answers as an Administrator Directory and a Services Directory."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlencode

from fleet.simulator.call import Call
from fleet.simulator.directory import sessions
from fleet.simulator.directory.forms import form_fields, less_blank
from fleet.simulator.directory.links import Link, address, below, breadcrumbs, titled
from fleet.simulator.directory.render import moved, rendered, static
from fleet.simulator.directory.tree import Node, available, locate
from fleet.simulator.portal import SimulatedPortal
from fleet.simulator.state import RELEASES
from fleet.simulator.wire import Reply, admin_failure

if TYPE_CHECKING:
    from fleet.simulator.site import SimulatedSite

    Place: TypeAlias = SimulatedSite | SimulatedPortal

__all__ = ["foreign_form", "page", "wants_page"]

CLOSED = "Services Directory has been disabled."
STYLES = ("admin/static/", "rest/static/", "portaladmin/static/")
LOGINS = ("admin/login", "portaladmin/login")


def wants_page(call: Call) -> bool:
    """Whether *call* asks for a page: everything does that doesn't ask for JSON, but for logins by OAuth2."""
    if (call.get("f") or "html").lower() in ("json", "pjson"):
        return False
    return not isinstance(call.site, SimulatedPortal) or locate(call.path.strip("/")) is not None or _own(call)


def _own(call: Call) -> bool:
    """Whether *call* is for a page that no operation stands behind."""
    lower = call.path.strip("/").lower()
    return lower.startswith(STYLES) or lower in (*LOGINS, "admin/logout", "portaladmin/logout")


def foreign_form(call: Call, token_in: str) -> Reply | None:
    """The refusal of a form that a page of somebody else's sends with the cookie of whoever is signed in here."""
    if call.method != "POST" or (token_in != "cookie" and call.path.strip("/").lower() not in LOGINS):
        return None
    origin = call.headers.get("Origin")
    from_here = origin is None or origin.lower() == call.base.lower()
    if from_here and call.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none"):
        return None
    reply = rendered("message.html", call, title="Forbidden", failures=["The form was sent by a page of another site."])
    return replace(reply, status=403, code=403)


async def page(site: Place, call: Call, token: str | None) -> tuple[Reply, str]:
    """The page that *call* gets, and the name of the operation for the ledger."""
    path = call.path.strip("/")
    lower = path.lower()
    call.operation = path.rsplit("/", 1)[-1] or "admin"
    if lower.startswith(STYLES):
        return static(call), "static"
    if lower in LOGINS:
        return await _login(site, call), "login"
    if lower in ("admin/logout", "portaladmin/logout"):
        return _leave(site, call), "logout"
    if lower.startswith("rest") and not isinstance(site, SimulatedPortal):
        if _closed(site):
            reply = rendered("message.html", call, title=f"Error: {CLOSED}", failures=[CLOSED])
            return replace(reply, status=403, code=403), call.operation
        if lower == "rest":
            return moved(address(site.context, "rest/services")), "rest"
    node = locate(path)
    if node is not None and _of_portal(node.path) is not isinstance(site, SimulatedPortal):
        node = None
    if call.method == "GET" and node is not None and node.post is not None and node.get is None:
        return await _asked_form(site, call, token, node, path), call.operation
    if node is not None:
        less_blank(node, call)
    reply, operation = await site.answer(call, token)
    return await _shown(site, call, token, reply, node, path), operation


def _of_portal(path: str) -> bool:
    return path.startswith(("portaladmin", "sharing"))


def _lacks(site: Place) -> tuple[float, frozenset[str]]:
    """The release of *site* as a number, and the operations that it lacks in spite of that."""
    if isinstance(site, SimulatedPortal):
        return RELEASES[site.release][0], frozenset()
    # The resource `upgrade` is there only while there is something to upgrade.
    upgrade = frozenset() if site.switches.upgrade_required else frozenset({"upgrade"})
    return site.state.number, site.switches.lacking | upgrade


def _status(site: Place, reply: Reply) -> int:
    """The HTTP status of a page that tells of a failure."""
    if isinstance(site, SimulatedPortal) or site.switches.failure_transport not in ("status", "always-status"):
        return reply.status
    return reply.code if reply.code and 400 <= reply.code < 600 else 500


# Signing in and out


async def _login(site: Place, call: Call) -> Reply:
    wanted = _wanted(site, call.get("redirect"))
    if call.method != "POST":
        return _login_page(call, wanted)
    given = {name: call.get(name) or "" for name in ("username", "password")}
    path = "admin/generateToken"
    if isinstance(site, SimulatedPortal):
        path, given = "sharing/rest/generateToken", {**given, "client": "requestip"}
    reply, _ = await site.answer(_inner(call, path, given, method="POST"), None)
    value = reply.value if isinstance(reply.value, dict) else {}
    token = value.get("token")
    if not isinstance(token, str):
        told = _failures(reply) or ["No token was given."]
        return replace(_login_page(call, wanted, *told, typed=given["username"]), code=reply.code)
    call.user = given["username"]
    cookie = sessions.cookie_with(site, token, _cookie(call), secure=call.base.startswith("https"))
    return moved(wanted, {"Set-Cookie": cookie})


def _leave(site: Place, call: Call) -> Reply:
    cookie = sessions.cookie_without(site, _cookie(call), secure=call.base.startswith("https"))
    return moved(address(site.context, call.path.strip("/").replace("logout", "login")), {"Set-Cookie": cookie})


def _cookie(call: Call) -> str:
    """What the browser has in its cookie."""
    match = re.search(rf"(?:^|;\s*){sessions.COOKIE}=([^;]*)", call.headers.get("Cookie", ""))
    return match[1] if match else ""


def _wanted(site: Place, asked: str | None) -> str:
    return sessions.safe_place(site.context, asked, portal=isinstance(site, SimulatedPortal))


def _login_page(call: Call, wanted: str, *told: str, typed: str = "") -> Reply:
    return rendered("login.html", call, title="Login", wanted=wanted, failures=list(told), typed=typed, out=True)


# Pages of resources and operations


async def _asked_form(site: Place, call: Call, token: str | None, node: Node, path: str) -> Reply:
    """The form of an operation that works by POST only."""
    assert node.post is not None
    if node.post.token and (code := site.refusal_code(call, token)) is not None:
        failure = admin_failure(code, "" if code == 499 else "The token is invalid or has expired.")
        return _asked_login(site, call, failure.reply, path)
    if not available(node, *_lacks(site)):
        told = f"Could not find resource or operation '{path.rsplit('/', 1)[-1]}' on the system."
        return await _shown(site, call, token, admin_failure(404, told).reply, None, path)
    above, _, _ = path.rpartition("/")
    state: Any = None
    parent = locate(above)
    if node.post.token and parent is not None and parent.get is not None:
        reply, _ = await site.answer(_inner(call, above, {}), token)
        if reply.body is not None or _failures(reply):
            return await _shown(site, call, token, reply, None, path)
        state = reply.value
    return rendered(
        "operation.html",
        call,
        title=titled(node.last),
        fields=form_fields(node, state),
        **_around(site, call, path),
        **_form(site, node, path),
    )


async def _shown(site: Place, call: Call, token: str | None, reply: Reply, node: Node | None, path: str) -> Reply:
    """*reply* as a page: what it says as tables, what it leads to as links, and the form it came from."""
    if reply.body is not None:
        return reply
    if reply.code in (498, 499) and path.lower().startswith(("admin", "portaladmin", "sharing")):
        return _asked_login(site, call, reply, path)
    failures = _failures(reply)
    context = site.context
    resources: list[Link] = []
    operations: list[Link] = []
    asks = node is not None and (call.method == "POST" and node.get is None)
    if node is not None and not asks:
        resources, operations = below(node, reply.value, context, path, *_lacks(site))
        resources += await _items_of(site, call, token, path) if path.lower().startswith("admin/data/items") else []
        if node.get is None and node.children and failures:
            # Nothing is told of such a place, and it leads on all the same.
            failures, reply = [], replace(reply, value={}, code=None)
    if path.lower().startswith("rest/services") and not failures:
        resources = _services_of(reply.value, context)
    if "no-site" in site.faults and failures:
        operations = [Link(name, address(context, f"admin/{name}")) for name in ("createNewSite", "joinSite")]
    form: dict[str, Any] = {}
    if node is not None and node.fields and not (asks and reply.changed and not failures):
        shown = {key: value for key, value in call.params.items() if key.lower() not in ("token", "f")}
        given = shown if asks or shown else None
        form = {"fields": form_fields(node, None, given), **_form(site, node, path)}
    parts = path.split("/")
    answer = rendered(
        "resource.html",
        call,
        title=titled(parts[-1]) if asks else parts[-1] if len(parts) > 1 else "Site",
        done=asks and not failures,
        up=Link(parts[-2], address(context, "/".join(parts[:-1]))) if asks and len(parts) > 1 else None,
        first=node is not None and node.get is not None and node.is_operation,
        value=_less_links(reply.value),
        failures=failures,
        resources=resources,
        operations=operations,
        **_around(site, call, path, json=not asks),
        **form,
    )
    status = _status(site, reply) if failures else reply.status
    return replace(answer, status=status, code=reply.code, changed=reply.changed)


def _asked_login(site: Place, call: Call, reply: Reply, path: str) -> Reply:
    """The login form in place of the page asked for, to which it leads."""
    asked = {key: value for key, value in call.params.items() if key.lower() in call.query and key.lower() != "token"}
    wanted = address(site.context, path) + ("/" if path.lower() in ("admin", "portaladmin") else "")
    if asked and call.method == "GET":
        wanted += "?" + urlencode(asked)
    told = _failures(reply) if reply.code == 498 else []
    login = _login_page(call, _wanted(site, wanted), *told)
    return replace(login, status=_status(site, reply), code=reply.code)


async def _items_of(site: Place, call: Call, token: str | None, path: str) -> list[Link]:
    """The data items below *path*, which no resource lists: they have to be found."""
    root = "/" + "/".join(path.split("/")[3:])
    reply, _ = await site.answer(_inner(call, "admin/data/findItems", {"ancestorPath": root}, method="POST"), token)
    items = reply.value.get("items") if isinstance(reply.value, dict) else None
    paths = [str(one.get("path", "")) for one in items if isinstance(one, dict)] if isinstance(items, list) else []
    return [Link(one.strip("/"), address(site.context, f"admin/data/items{one}")) for one in paths if one != root]


def _services_of(value: Any, context: str) -> list[Link]:
    """Folders and services of a Services Directory's page; a name has its folder in front."""
    if not isinstance(value, dict):
        return []
    folders = [one for one in value.get("folders") or () if isinstance(one, str)]
    services = [one for one in value.get("services") or () if isinstance(one, dict)]
    links = [Link(f"{name}/", address(context, f"rest/services/{name}")) for name in folders]
    for one in services:
        name, kind = str(one.get("name")), str(one.get("type"))
        links.append(Link(f"{name} ({kind})", address(context, f"rest/services/{name}/{kind}")))
    return links


def _closed(site: SimulatedSite) -> bool:
    """Whether the Services Directory is switched off; JSON is answered all the same."""
    kept = site.state.kept.get("servicesdirectory", {})
    return str(kept.get("servicesDirEnabled", "true")).lower() == "false"


def _less_links(value: Any) -> Any:
    """*value* without what the page has as links."""
    if not isinstance(value, dict):
        return value
    return {key: one for key, one in value.items() if key not in ("resources", "operations")}


def _around(site: Place, call: Call, path: str, *, json: bool = False) -> dict[str, Any]:
    """What is at the top of every page, and its link to the JSON."""
    root = next((one for one in ("rest/services", "sharing/rest") if path.lower().startswith(one)), path.split("/")[0])
    asked = {key: call.params[key] for key in call.params if key.lower() in call.query - {"f", "token"}}
    query = urlencode({**asked, "f": "pjson"})
    trail = "/" if path.endswith("admin") and "/" not in path else ""
    return {
        "crumbs": breadcrumbs(site.context, path, root),
        "user": call.user or "",
        "site": "" if isinstance(site, SimulatedPortal) else site.name,
        "json": f"{address(site.context, path)}{trail}?{query}" if json and call.method == "GET" else "",
    }


def _form(site: Place, node: Node, path: str) -> dict[str, Any]:
    post = node.post is not None
    return {
        "action": address(site.context, path),
        "method": "post" if post else "get",
        "files": any(param["type"] == "file" for param in node.fields),
        "button": "Save Edits" if node.last in ("edit", "update") else titled(node.last),
    }


def _inner(call: Call, path: str, params: dict[str, str], *, method: str = "GET") -> Call:
    """A call of the page's own, on behalf of whoever asked for it."""
    return Call(call.site, method, path, params, headers=call.headers, address=call.address, base=call.base)


def _failures(reply: Reply) -> list[str]:
    """The sentences of a failure, in any of its shapes; nothing for a success."""
    value = reply.value
    if not isinstance(value, dict):
        return []
    error = value.get("error")
    if isinstance(error, dict):
        details = error.get("details")
        return [str(error.get("message") or "failed"), *map(str, details if isinstance(details, list) else ())]
    if value.get("status") in ("error", "failed", "failure") and (reply.code is not None or "messages" in value):
        told = value.get("messages") or [value.get("message") or "The operation failed."]
        return [str(one) for one in (told if isinstance(told, list) else [told])]
    if value.get("success") is False:
        return ["The operation failed, and the server does not say why."]
    return []
