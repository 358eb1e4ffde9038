"""The outcomes of one fan-out, what they cover, and the merged answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleet.errors import CoverageError, UsageError
from fleet.outcome import MISSING, REACHED, Outcome, timestamp

__all__ = ["Coverage", "Report", "ReportWarning", "coverage_of"]

SCHEMA = "fleet.report/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How many sites were selected, how many of them answered, and what became of the rest (outcome -> count).

    `answered` and the counts of `missing` add up to `selected`.
    """

    selected: int
    answered: int
    missing: dict[str, int]

    @property
    def share(self) -> float:
        """The share of the selected sites that answered, from 0 to 1; 1 when none was selected."""
        return self.answered / self.selected if self.selected else 1.0

    def to_dict(self) -> dict[str, Any]:
        return {
            "selected": self.selected,
            "answered": self.answered,
            "missing": self.missing,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportWarning:
    """Something about a site that every reader of a report must see, such as `tls_unverified`."""

    site: str
    kind: str
    message: str

    def to_dict(self) -> dict[str, str]:
        return {"site": self.site, "kind": self.kind, "message": self.message}


def coverage_of(counts: Counter[str]) -> Coverage:
    """Coverage from a count of outcome names."""
    return Coverage(
        selected=counts.total(),
        answered=sum(counts[name] for name in REACHED),
        missing={name: counts[name] for name in MISSING if counts[name]},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one fan-out came to: one outcome per selected site, in inventory order.

    `started` is epoch seconds, `elapsed` seconds. `merged` is the aggregate in the shape of its mode, or None.
    """

    command: str
    started: float
    elapsed: float
    outcomes: Sequence[Outcome]
    merged: Any = None
    warnings: Sequence[ReportWarning] = ()
    dry_run: bool = False
    interrupted: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    names: dict[str, str] = field(default_factory=dict)
    """Site -> outcome, also where the outcomes themselves were not kept."""

    @property
    def coverage(self) -> Coverage:
        """How many sites were selected, how many of them answered, and what became of the rest."""
        return coverage_of(self.counts or Counter(outcome.outcome for outcome in self.outcomes))

    @property
    def ok(self) -> bool:
        """Whether every selected site did it."""
        if self.counts:
            return self.counts.total() == sum(self.counts[name] for name in ("ok", "changed", "noop"))
        return all(outcome.ok for outcome in self.outcomes)

    def failures(self) -> Iterable[Outcome]:
        """The outcomes of the sites that did not do it, in inventory order."""
        return (outcome for outcome in self.outcomes if not outcome.ok)

    def require_coverage(self, share: float) -> None:
        """Raise `CoverageError` if less than *share* (0 to 1) of the selected sites answered."""
        if not 0 <= share <= 1:
            raise UsageError(f"a coverage is a share from 0 to 1, and {share!r} is not")
        if self.coverage.share < share:
            missing = ", ".join(f"{count} {name}" for name, count in self.coverage.missing.items())
            raise CoverageError(
                f"{self.coverage.answered} of {self.coverage.selected} sites answered, which is less than "
                f"{share:.0%}: {missing}"
            )

    def exit_code(self, require_coverage: float | None = None) -> int:
        """The exit status: 130 interrupted, 4 coverage below *require_coverage* (0 to 1), 1 some site failed, else 0."""
        if self.interrupted:
            return 130
        if require_coverage is not None and self.coverage.share < require_coverage:
            return 4
        return 0 if self.ok else 1

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values (schema `fleet.report/1`)."""
        data: dict[str, Any] = {
            "schema": SCHEMA,
            "command": self.command,
            "started": timestamp(self.started),
            "elapsed": round(self.elapsed, 3),
            "coverage": self.coverage.to_dict(),
            "warnings": [warning.to_dict() for warning in self.warnings],
            "merged": self.merged,
            "outcomes": [outcome.to_dict() for outcome in self.outcomes],
        }
        if self.dry_run:
            data["dry_run"] = True
        return data
