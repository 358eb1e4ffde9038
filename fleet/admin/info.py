"""What a site says of itself: release, health, who is signed in."""

from __future__ import annotations

from typing import Any

from fleet.admin.operation import Operation

__all__ = ["admin", "healthcheck", "rest"]


def rest() -> Operation[dict[str, Any]]:
    """`rest/info`: `currentVersion` (a number), `fullVersion`, `authInfo`, and `owningSystemUrl` on a federated site.

    It needs no token.

    Raises, when called: `NotFound` where no site answers, `ServerFailed`.
    Source: developers.arcgis.com/rest/services-reference/enterprise/server-info
    """
    return Operation(name="rest.info", path="rest/info", token=False)


def healthcheck() -> Operation[dict[str, Any]]:
    """`rest/info/healthCheck`: `{"success": true}`; an unhealthy site says false, or answers with an HTTP error.

    It needs no token.

    Raises, when called: `ServerFailed` for an unhealthy site, `NotFound` where the release has no health check.
    Source: developers.arcgis.com/rest/services-reference/enterprise/health-check
    """
    return Operation(
        name="rest.info.healthCheck",
        path="rest/info/healthCheck",
        token=False,
        success_is_data=True,
    )


def admin() -> Operation[dict[str, Any]]:
    """`admin/info`: `currentversion`, `fullVersion`, `currentbuild`, `timezone`, `loggedInUser`, `loggedInUserPrivilege`.

    Raises, when called: `Forbidden`, `NotFound` where the machine belongs to no site.
    Source: developers.arcgis.com/rest/enterprise-administration/server/info
    """
    return Operation(name="info", path="admin/info")
