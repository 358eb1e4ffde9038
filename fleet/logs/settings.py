"""How sites log: their settings, and how many error reports lie on each machine. Work for one site each."""

from __future__ import annotations

from typing import Any

from fleet.admin import logs
from fleet.client.site import SiteClient
from fleet.errors import BadAnswer
from fleet.protocol.fields import as_int
from fleet.rows.machines import machines_of

__all__ = ["error_reports", "log_settings"]


async def log_settings(client: SiteClient) -> dict[str, Any]:
    """`{"logLevel", "logDir", "maxLogFileAge", "maxErrorReportsCount", …}` as the site says it; the age is days.

    Raises what the call came to, and `BadAnswer` for an answer without settings.
    """
    answer = await client.call(logs.settings())
    settings = answer.get("settings")
    if not isinstance(settings, dict):
        raise BadAnswer("the answer holds no log settings")
    return settings


async def error_reports(client: SiteClient) -> dict[str, Any]:
    """`{"total", "machines": [{"machine", "reports"}]}`: the error reports that lie on each machine of the site.

    Raises what the calls came to, and `BadAnswer` for an answer without a count.
    """
    found = []
    for name in [entry["machineName"] for entry in await machines_of(client)]:
        answer = await client.call(logs.count_error_reports(name))
        count = as_int(answer.get("reportCount"))
        if count is None:
            raise BadAnswer(f"the answer holds no count of error reports of {name}")
        found.append({"machine": name, "reports": count})
    return {"total": sum(one["reports"] for one in found), "machines": found}
