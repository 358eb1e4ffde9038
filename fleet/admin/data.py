"""Data stores that are registered with a site."""

from __future__ import annotations

from typing import Any

from fleet.admin.operation import Effect, Operation

__all__ = ["find_items", "validate_all"]


def find_items() -> Operation[dict[str, Any]]:
    """`{"items": [{"path", "type", "id", "provider", "info"}]}`: every registered data item.

    The administrator API wants a POST; nothing is changed.

    Raises, when called: `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/finddataitems
    """
    return Operation(
        name="data.findItems",
        path="admin/data/findItems",
        method="POST",
        effect=Effect.READ,
    )


def validate_all() -> Operation[dict[str, Any]]:
    """Check every data item from every machine: `{"status": "success"}`, or a failure that says which one is broken.

    The site needs minutes for many items: one attempt may take 300 s.

    Raises, when called: `ServerFailed` with what the machines saw, `Forbidden`, `TimedOut`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/validateallitems
    """
    return Operation(
        name="data.validateAllDataItems",
        path="admin/data/validateAllDataItems",
        method="POST",
        effect=Effect.READ,
        limit=300.0,
    )
