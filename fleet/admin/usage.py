"""Usage reports of a site: what is counted, reports that are kept, and their data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fleet.admin.catalogue import operation
from fleet.admin.operation import Operation

__all__ = ["add", "data", "delete", "edit", "report", "reports", "settings", "settings_edit"]


def reports() -> Operation[dict[str, Any]]:
    """`{"metrics": [{"reportname", "since", "queries", "metadata"}]}`: every report that is kept.

    Since 10.3.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/usagereport
    """
    return operation("usagereports")


def report(name: str) -> Operation[dict[str, Any]]:
    """The report *name*: `since`, `queries`, `metadata`.

    Since 10.3.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/usagereport
    """
    return operation("usagereports.get", report=name)


def add(report: Mapping[str, Any]) -> Operation[dict[str, Any]]:
    """Keep *report*: `{"reportname", "since", "queries": [{"resourceURIs", "metrics"}], "metadata"}`.

    `since` is LAST_DAY, LAST_WEEK, LAST_MONTH, LAST_YEAR, or CUSTOM with `from` and `to` in epoch milliseconds.

    Since 10.3. Done when the site lists a report of that name, which it must not have before.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/editusagereport
    """
    return operation("usagereports.add", {"usagereport": report})


def edit(name: str, report: Mapping[str, Any]) -> Operation[dict[str, Any]]:
    """Replace the report *name* by *report*, a whole one of the same name.

    Since 10.3. Done when the report says so.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/editusagereport
    """
    return operation("usagereports.edit", {"usagereport": report}, report=name)


def data(name: str, machines: Iterable[str] | None = None) -> Operation[dict[str, Any]]:
    """`{"report": {"time-slices", "report-data": [[{"resourceURI", "metric-type", "data"}]]}}` of *name*.

    Of all *machines*, or of those that are named. `data` has one number, or null, for each of the time slices, which
    are epoch milliseconds.

    Since 10.3.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/usagereport
    """
    return operation(
        "usagereports.data", {"filter": {"machines": "*" if machines is None else list(machines)}}, report=name
    )


def delete(name: str) -> Operation[dict[str, Any]]:
    """Give up the report *name*.

    Since 10.3. Done when the site no longer lists it.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/usagereport
    """
    return operation("usagereports.delete", report=name)


def settings() -> Operation[dict[str, Any]]:
    """`{"enabled", "samplingInterval", "maxHistory", "statisticsDir"}`: minutes, and days (0 keeps for ever).

    Since 10.3.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/usagereportssettings
    """
    return operation("usagereports.settings")


def settings_edit(*, enabled: bool, sampling_interval: int, max_history: int) -> Operation[dict[str, Any]]:
    """Count requests, or not (*enabled*), each *sampling_interval* minutes, and keep *max_history* days of it.

    With 0 days it is kept for ever.

    Since 10.3. Done when the settings are so.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/editusagereportssettings
    """
    return operation(
        "usagereports.settings.edit",
        {"enabled": enabled, "samplingInterval": sampling_interval, "maxHistory": max_history},
    )
