"""What a site says of itself: release, health, who is signed in."""

from __future__ import annotations

from typing import Any

from fleet.admin.operation import Operation

__all__ = ["admin", "healthcheck", "rest"]


def rest() -> Operation[dict[str, Any]]:
    """`rest/info`: `currentVersion`, `fullVersion`, `authInfo`, and `owningSystemUrl` on a federated site; no token.

    Source: developers.arcgis.com/rest/services-reference/enterprise/server-info.
    """
    return Operation(name="rest.info", path="rest/info", token=False)


def healthcheck() -> Operation[dict[str, Any]]:
    """`rest/info/healthCheck`: `{"success": bool}`; an unhealthy site may answer with an HTTP error instead; no token.

    Source: developers.arcgis.com/rest/services-reference/enterprise/health-check.
    """
    return Operation(
        name="rest.info.healthCheck",
        path="rest/info/healthCheck",
        token=False,
        success_is_data=True,
    )


def admin() -> Operation[dict[str, Any]]:
    """`admin/info`: `currentversion`, `fullVersion`, `currentbuild`, `timezone`, `loggedInUser` and its privilege."""
    return Operation(name="info", path="admin/info")
