"""How changes of uploads, of usage reports, and of servers at a portal are seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet.admin.operation import ReadBack
from fleet.admin.readback import listed, members_are, parameters_are
from fleet.admin.seen import Form, See, above, last_of, member_is, member_of, named, object_in, parts_of, read_of

__all__ = ["SEEN", "uploaded"]


def _report_there(path: str, form: Form) -> ReadBack:
    name = object_in(form, "usagereport")["reportname"]
    return listed(read_of(path), "metrics", named("reportname", name), whole=False)


def _report_edited(path: str, form: Form) -> ReadBack:
    given = object_in(form, "usagereport")
    return members_are(read_of(path), {key: given[key] for key in ("since", "queries", "from", "to") if key in given})


def _report_gone(path: str, form: Form) -> ReadBack:
    return listed(read_of(above(path)), "metrics", named("reportname", last_of(path)), gone=True)


def uploaded(form: Form, files: Mapping[str, Path | bytes]) -> ReadBack | None:
    """An item called as the file; there may have been one before, which can't be told from it."""
    file = files.get("itemFile")
    if not isinstance(file, Path):
        return None
    return listed(read_of("admin/uploads"), "items", named("itemName", file.name), whole=False)


def _upload_committed(path: str, form: Form) -> ReadBack:
    return members_are(read_of(path), {"committed": True})


def _upload_gone(path: str, form: Form) -> ReadBack:
    identity = last_of(path)
    return listed(read_of(above(path)), "items", lambda entry: member_is(entry, "itemID", identity), gone=True)


def _server_there(path: str, form: Form) -> ReadBack:
    url = form["adminUrl"].rstrip("/").lower()
    return listed(
        read_of(path),
        "servers",
        lambda entry: str(member_of(entry, "adminUrl")).rstrip("/").lower() == url,
        whole=False,
    )


def _server_updated(path: str, form: Form) -> ReadBack:
    identity = last_of(path)
    functions = None if "serverFunction" not in form else parts_of(form["serverFunction"])

    def matches(entry: Any) -> bool:
        return (
            member_is(entry, "id", identity)
            and member_of(entry, "serverRole") == form["serverRole"]
            and (functions is None or parts_of(str(member_of(entry, "serverFunction") or "")) == functions)
        )

    return listed(read_of(above(path)), "servers", matches)


def _server_gone(path: str, form: Form) -> ReadBack:
    identity = last_of(path)
    return listed(read_of(above(path)), "servers", lambda entry: member_is(entry, "id", identity), gone=True)


SEEN: Mapping[str, See] = {
    "usagereports.add": _report_there,
    "usagereports.edit": _report_edited,
    "usagereports.delete": _report_gone,
    "usagereports.settings.edit": parameters_are,
    "uploads.commit": _upload_committed,
    "uploads.delete": _upload_gone,
    "portal.federation.servers.federate": _server_there,
    "portal.federation.servers.update": _server_updated,
    "portal.federation.servers.unfederate": _server_gone,
}
"""How each of these changes is seen, by its name in the catalogue."""
