"""Administer many ArcGIS Server sites at once."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fleet._version import __version__

if TYPE_CHECKING:
    from fleet import admin as ops
    from fleet.admin.operation import Effect, Operation
    from fleet.aggregate import Aggregator
    from fleet.client.settings import RetryPolicy
    from fleet.client.site import Answer, SiteClient
    from fleet.errors import (
        CoverageError,
        FleetError,
        InventoryError,
        SelectorError,
        SiteError,
        UsageError,
    )
    from fleet.fanout.engine import Progress
    from fleet.fanout.fleet import Fleet, Selection
    from fleet.fanout.stop import Stop
    from fleet.health import Check, Finding, HealthOptions, sweep
    from fleet.inventory.model import Inventory, Site
    from fleet.inventory.secrets import Secret
    from fleet.outcome import Answered, Failed, NotReached, Outcome
    from fleet.report import Report

_WHERE = {
    "Aggregator": "fleet.aggregate",
    "Answer": "fleet.client.site",
    "Answered": "fleet.outcome",
    "Check": "fleet.health",
    "CoverageError": "fleet.errors",
    "Effect": "fleet.admin.operation",
    "Failed": "fleet.outcome",
    "Finding": "fleet.health",
    "Fleet": "fleet.fanout.fleet",
    "FleetError": "fleet.errors",
    "HealthOptions": "fleet.health",
    "Inventory": "fleet.inventory.model",
    "InventoryError": "fleet.errors",
    "NotReached": "fleet.outcome",
    "Operation": "fleet.admin.operation",
    "Outcome": "fleet.outcome",
    "Progress": "fleet.fanout.engine",
    "Report": "fleet.report",
    "RetryPolicy": "fleet.client.settings",
    "Secret": "fleet.inventory.secrets",
    "Selection": "fleet.fanout.fleet",
    "SelectorError": "fleet.errors",
    "Site": "fleet.inventory.model",
    "SiteClient": "fleet.client.site",
    "SiteError": "fleet.errors",
    "Stop": "fleet.fanout.stop",
    "UsageError": "fleet.errors",
    "sweep": "fleet.health",
}

__all__ = [  # noqa: RUF022 - by name, the version first
    "__version__",
    "Aggregator",
    "Answer",
    "Answered",
    "Check",
    "CoverageError",
    "Effect",
    "Failed",
    "Finding",
    "Fleet",
    "FleetError",
    "HealthOptions",
    "Inventory",
    "InventoryError",
    "NotReached",
    "Operation",
    "Outcome",
    "Progress",
    "Report",
    "RetryPolicy",
    "Secret",
    "Selection",
    "SelectorError",
    "Site",
    "SiteClient",
    "SiteError",
    "Stop",
    "UsageError",
    "ops",
    "sweep",
]


def __getattr__(name: str) -> Any:
    # Names are looked up when they are used: `fleet --help` must not wait for the HTTP library.
    if name == "ops":
        return import_module("fleet.admin")
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'fleet' has no attribute {name!r}")
