"""Rollouts: a change of many sites in waves, planned, journalled, gated, resumable after any crash, and reversible."""

from __future__ import annotations

from fleet.rollout.plan import Plan, PlannedStep, SitePlan
from fleet.rollout.spec import Amount, Budget, Gate, Rollout, Step, Wave, Window

__all__ = [
    "Amount",
    "Budget",
    "Gate",
    "Plan",
    "PlannedStep",
    "Rollout",
    "SitePlan",
    "Step",
    "Wave",
    "Window",
]
