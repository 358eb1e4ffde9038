"""What a step may do: every bulk verb by its name, each with its parameters."""

from __future__ import annotations

from collections.abc import Mapping

from fleet.rollout.steps import machines, security, services, system
from fleet.rollout.steps.kinds import Kind
from fleet.rollout.steps.parameters import Making, Parameter

__all__ = ["KINDS", "Kind", "Making", "Parameter"]

KINDS: Mapping[str, Kind] = {
    kind.do: kind for kind in (*services.KINDS, *machines.KINDS, *security.KINDS, *system.KINDS)
}
"""Every kind of step by what `do` calls it."""
