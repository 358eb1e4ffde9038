"""Health checks as rows: what `fleet health` finds, for SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleet.client.site import SiteClient
from fleet.errors import SiteError
from fleet.health.sweeping import HealthOptions, load_checks, verdict_work
from fleet.rows.table import Column, Row, Table, Wanted

__all__ = ["CHECKS"]


async def _checks(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    try:
        value = await verdict_work(HealthOptions(), load_checks())(client)
    except SiteError as error:
        # A site that is not well has its checks in the error; one of which nothing is known has none.
        value = error.value
        if not isinstance(value, Mapping) or not value.get("checks"):
            raise
    rows = []
    for told in value["checks"]:
        error_object: Mapping[str, Any] = told.get("error") or {}
        rows.append({**CHECKS.row(told), "kind": error_object.get("kind"), "release": value.get("release")})
    return rows


CHECKS = Table(
    "checks",
    "what each health check finds (a sweep of the site)",
    (
        Column("check", "text", "name of the check"),
        Column("status", "text", "ok, warning, critical, unknown or skipped"),
        Column("saw", "text", "what was seen"),
        Column("wanted", "text", "what should be"),
        Column("advice", "text", "what to do"),
        Column("items", "json", "the things that are not as they should be"),
        Column("kind", "text", "kind of the error that stood in the way"),
        Column("release", "text", "the site's release"),
        Column("elapsed", "real", "seconds that the check took"),
    ),
    _checks,
)
