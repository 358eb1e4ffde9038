"""What the last run on an inventory came to, for selectors such as `@failed`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fleet import places
from fleet.errors import UsageError
from fleet.history.store import Store, explain

__all__ = ["last_outcomes"]


def last_outcomes(files: Sequence[Path]) -> Callable[[], Mapping[str, str] | None]:
    """A function that gives site -> outcome of the last recorded run on the inventory *files*; None if there was none.

    The state database is opened only when the function is called, and is not made where there is none. The function
    raises `UsageError` where the database can't be read.
    """

    def look() -> Mapping[str, str] | None:
        path = places.state_folder() / "fleet.db"
        try:
            if not path.exists():
                return None
            with Store(path) as store:
                return store.last_outcomes(files)
        except (OSError, sqlite3.Error) as error:
            raise UsageError(
                f"the record of the last run can't be read: {explain(error, path)}. Move that file away to begin a new "
                "record, or select sites without @"
            ) from None

    return look
