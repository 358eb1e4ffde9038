"""What a step may do: every bulk verb by its name, each with its parameters."""

from __future__ import annotations

from collections.abc import Mapping

from fleet.rollout.steps import calling, desired, machines, security, services, system, waiting
from fleet.rollout.steps.kinds import Kind
from fleet.rollout.steps.parameters import Making, Parameter

__all__ = ["KINDS", "Kind", "Making", "Parameter"]

KINDS: Mapping[str, Kind] = {
    kind.do: kind
    for module in (services, machines, security, system, desired, calling, waiting)
    for kind in module.KINDS
}
"""Every kind of step by what `do` calls it."""
