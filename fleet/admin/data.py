"""Data stores that are registered with a site."""

from __future__ import annotations

from typing import Any

from fleet.admin.operation import Effect, Operation

__all__ = ["find_items", "validate_all"]


def find_items() -> Operation[dict[str, Any]]:
    """`{"items": [{"path", "type", …}]}`: every registered data item."""
    return Operation(
        name="data.findItems",
        path="admin/data/findItems",
        method="POST",
        effect=Effect.READ,
    )


def validate_all() -> Operation[dict[str, Any]]:
    """Check every data item from every machine: a success, or a failure that says which; minutes with many items."""
    return Operation(
        name="data.validateAllDataItems",
        path="admin/data/validateAllDataItems",
        method="POST",
        effect=Effect.READ,
        limit=300.0,
    )
