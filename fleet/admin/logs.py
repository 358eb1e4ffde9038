"""Logs of a site: records, settings, and how many error reports there are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fleet.admin.catalogue import operation
from fleet.admin.operation import Effect, Operation
from fleet.protocol.fields import as_bool

__all__ = ["clean", "count_error_reports", "query", "settings", "settings_edit"]


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


def settings_edit(settings: Mapping[str, Any]) -> Operation[dict[str, Any]]:
    """Change the log settings to *settings*, all of them: what `settings` answers, with the changes made to it.

    `logLevel` is OFF, SEVERE, WARNING, INFO, FINE, VERBOSE or DEBUG; `maxLogFileAge` is days. Sites take
    `usageMeteringEnabled` for off where it is not sent.

    Done when the settings are so.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/logssettings
    """
    names = ("logLevel", "logDir", "maxLogFileAge", "maxErrorReportsCount")
    form = {key: settings[key] for key in names if key in settings}
    metering = as_bool(settings.get("usageMeteringEnabled"))
    if metering is not None:
        # A check box: it is told as a truth value, and sent in other words.
        form["usageMeteringEnabled"] = "on" if metering else "off"
    return operation("logs.settings.edit", form)


def clean() -> Operation[dict[str, Any]]:
    """Delete all log files on all machines; allowed in read-only mode.

    One attempt may take 300 s. No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/logsquery
    """
    return operation("logs.clean")


def count_error_reports(machine: str = "All") -> Operation[dict[str, Any]]:
    """`{"machineName", "reportCount"}`: how many error reports *machine* has, or all of them together.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/logsquery
    """
    return operation("logs.countErrorReports", {"machine": machine})
