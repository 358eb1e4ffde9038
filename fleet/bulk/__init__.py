"""Bulk changes: a verb reads what would change, is asked about, and is then carried out and looked at, site by site."""

from fleet.bulk.change import Change, Planned
from fleet.bulk.running import apply, change, not_begun, plan
from fleet.bulk.verb import Verb

__all__ = ["Change", "Planned", "Verb", "apply", "change", "not_begun", "plan"]
