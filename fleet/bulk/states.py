"""The wish and the measured state of a service or a machine, as a plan tells them."""

from __future__ import annotations

from fleet.rows.table import Row

__all__ = ["states_of"]


def states_of(row: Row) -> dict[str, str]:
    """The two states of a row; only the wish where both are the same."""
    wish, real = (str(row.get(name) or "").upper() for name in ("configuredState", "realTimeState"))
    return {"configuredState": wish} if wish == real else {"configuredState": wish, "realTimeState": real}
