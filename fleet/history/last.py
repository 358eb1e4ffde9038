"""What the last run on an inventory came to, for selectors such as `@failed`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fleet.errors import StoreFailed, UsageError
from fleet.history.database import state_database
from fleet.history.store import Store

__all__ = ["last_outcomes"]


def last_outcomes(files: Sequence[Path]) -> Callable[[], Mapping[str, str] | None]:
    """A function that gives site -> outcome of the last recorded run on the inventory *files*; None if there was none.

    The state database is opened only when the function is called, and is not made where there is none. The function
    raises `UsageError` where the database can't be read.
    """

    def look() -> Mapping[str, str] | None:
        database = state_database()
        try:
            if not database.exists():
                return None
            with Store(database) as store:
                return store.last_outcomes(files)
        except StoreFailed as error:
            away = "Move that file away to begin a new record, or select" if database.dialect == "sqlite" else "Select"
            raise UsageError(f"the record of the last run can't be read: {error}. {away} sites without @") from None

    return look
