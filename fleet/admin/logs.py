"""Log records of a site."""

from __future__ import annotations

import json
from typing import Any

from fleet.admin.operation import Effect, Operation

__all__ = ["query", "settings"]


def query(
    *,
    level: str = "WARNING",
    newest: int | None = None,
    oldest: int | None = None,
    page: int = 1000,
) -> Operation[dict[str, Any]]:
    """`{"hasMore", "startTime", "endTime", "logMessages"}`, newest first.

    *newest* and *oldest* bound the records' times in epoch milliseconds; the API calls them `startTime` and `endTime`,
    in that order. *page* is at most 10,000. Sent as POST, which every release takes.
    Source: developers.arcgis.com/rest/enterprise-administration/server/logs (query).
    """
    form = {
        "level": level,
        "filterType": "json",
        "filter": json.dumps({"services": "*", "machines": "*"}),
        "pageSize": str(page),
    }
    if newest is not None:
        form["startTime"] = str(newest)
    if oldest is not None:
        form["endTime"] = str(oldest)
    return Operation(
        name="logs.query",
        path="admin/logs/query",
        method="POST",
        parameters=form,
        effect=Effect.READ,
    )


def settings() -> Operation[dict[str, Any]]:
    """`{"settings": {"logLevel", "logDir", …}}`."""
    return Operation(name="logs.settings", path="admin/logs/settings")
