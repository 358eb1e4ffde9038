"""The sites themselves as rows: what the inventory says, and where it is asked for what a site says of itself."""

from __future__ import annotations

from collections.abc import Sequence

from fleet import admin as ops
from fleet.client.site import SiteClient
from fleet.rows.table import Column, Row, Table, Wanted

__all__ = ["SITES"]

_TOLD = ("currentVersion", "fullVersion", "owningSystemUrl")
_INFO = ("currentbuild", "timezone", "loggedInUser", "loggedInUserPrivilege")


async def _sites(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    site = client.site
    row: Row = {
        "url": site.url,
        "groups": ",".join(site.groups),
        "labels": dict(site.labels),
        "protected": site.protected,
        "auth": site.auth.kind,
        "username": site.username,
    }
    if wanted.wants(*_TOLD):
        told = await client.call(ops.info.rest())
        row |= {name: told.get(name) for name in _TOLD}
    if wanted.wants(*_INFO):
        told = await client.call(ops.info.admin())
        row |= {name: told.get(name) for name in _INFO}
    if wanted.wants("siteMode"):
        row["siteMode"] = (await client.call(ops.site.mode())).get("siteMode")
    return [row]


SITES = Table(
    "sites",
    "every selected site as the inventory has it; what a site says of itself is asked where it is wanted",
    (
        Column("url", "text", "base URL"),
        Column("groups", "text", "its groups, separated by commas"),
        Column("labels", "json", "its labels, those of its groups among them"),
        Column("protected", "boolean", "whether changes ask for its name"),
        Column("auth", "text", "how to sign in: server, portal, oauth or token"),
        Column("username", "text", "the account"),
        Column("currentVersion", "text", "release as a number: 11.3, 10.91", costly=True),
        Column("fullVersion", "text", "release with its patch level", costly=True),
        Column("owningSystemUrl", "text", "the portal it is federated with", costly=True),
        Column("currentbuild", "text", "build", costly=True),
        Column("timezone", "text", "time zone of its machines", costly=True),
        Column("loggedInUser", "text", "who we are there", costly=True),
        Column("loggedInUserPrivilege", "text", "what we may do there", costly=True),
        Column("siteMode", "text", "EDITABLE or READ_ONLY", costly=True),
    ),
    _sites,
)
