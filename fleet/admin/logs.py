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
    """`{"hasMore", "startTime", "endTime", "logMessages": [{"type", "message", "time", "machine", "code", …}]}`.

    Newest first. *level* is the least severe one: SEVERE, WARNING, INFO, FINE, VERBOSE or DEBUG. *newest* and *oldest*
    bound the records' times in epoch milliseconds, as `time` in a record is; the API calls them `startTime` and
    `endTime`, in that order. *page* is how many records one answer holds, 10,000 at the most: while `hasMore` is true,
    ask again with *newest* as the `endTime` of the answer. Sent as POST, which every release takes.

    Raises, when called: `Forbidden`, `ServerFailed`, `TooLarge`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/logsquery
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
    """`{"settings": {"logLevel", "logDir", "maxLogFileAge", "maxErrorReportsCount", …}}`; `maxLogFileAge` is days.

    Raises, when called: `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/logssettings
    """
    return Operation(name="logs.settings", path="admin/logs/settings")
