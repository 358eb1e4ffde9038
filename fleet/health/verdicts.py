"""The merged answer of a sweep: how many sites came to which verdict, and which sites each check is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.aggregate.fold import Aggregator, placed
from fleet.outcome import Outcome

__all__ = ["Verdicts"]

State = dict[str, tuple[str, dict[str, str]]]


class Verdicts(Aggregator[State]):
    """`{"verdicts": {"ok": 400, …}, "checks": [{"check", "critical": [sites], "warning": [sites], "unknown": [sites]}]}`.

    A site that is not well enters too, with the checks that did run; one of which nothing is known is `unknown`.
    """

    def __init__(self, order: Mapping[str, int]) -> None:
        self._order = order

    def empty(self) -> State:
        return {}

    def add(self, state: State, site: str, value: Any) -> State:
        if isinstance(value, Mapping) and isinstance(value.get("checks"), list):
            state[site] = (value["status"], {check["check"]: check["status"] for check in value["checks"]})
        else:
            state[site] = ("unknown", {})
        return state

    def observe(self, state: State, outcome: Outcome) -> State:
        return self.add(state, outcome.site, getattr(outcome, "value", None))

    def merge(self, left: State, right: State) -> State:
        return left | right

    def report(self, state: State) -> dict[str, Any]:
        verdicts = dict.fromkeys(("ok", "warning", "critical", "unknown"), 0)
        checks: dict[str, dict[str, list[str]]] = {}
        for site in sorted(state, key=lambda site: placed(self._order, site)):
            status, found = state[site]
            verdicts[status] += 1
            for check, said in found.items():
                if said in ("critical", "warning", "unknown"):
                    row = checks.setdefault(check, {"critical": [], "warning": [], "unknown": []})
                    row[said].append(site)
        return {"verdicts": verdicts, "checks": [{"check": name, **checks[name]} for name in sorted(checks)]}
