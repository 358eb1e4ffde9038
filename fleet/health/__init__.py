"""Whether sites are well: checks that say what they saw, what they wanted and what to do, and sweeps of them."""

from fleet.health.check import Check, Finding, Limits
from fleet.health.facts import Facts
from fleet.health.sweeping import HealthOptions, sweep

__all__ = ["Check", "Facts", "Finding", "HealthOptions", "Limits", "sweep"]
