"""Locks of a simulated site: per service, per machine, of the whole site, and of the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fleet.simulator.wire import Failure, admin_failure

__all__ = ["Locks"]

STORE = "Another administrative operation is currently accessing the store. Please try again later."
OTHER = "is currently being configured by another administrative operation. Please try again later."


class Locks:
    """Who holds what. A subject is written `service:Folder/Name.Type`, `machine:NAME`, `site` or `store`."""

    def __init__(self) -> None:
        self.held: set[str] = set()

    @contextmanager
    def hold(self, subject: str, *, taken: bool = False, around: str = "") -> Iterator[None]:
        """Hold *subject*; whoever comes second is told so at once, with the text that real servers give.

        *taken* refuses as if somebody else held it. *around* is what the operation was at, for the store's longer text.
        """
        if taken or subject in self.held:
            raise lock_failure(subject, around)
        self.held.add(subject)
        try:
            yield
        finally:
            self.held.discard(subject)


def lock_failure(subject: str, around: str = "") -> Failure:
    """The failure that tells the second comer that *subject* is taken."""
    kind, _, name = subject.partition(":")
    if kind == "store":
        text = f"{around} Configuration store error. File system put failed. {STORE}" if around else STORE
    elif kind == "service":
        folder, _, own = name.rpartition("/")
        text = f"Service '{own}' in folder '{folder or 'root'}' {OTHER}"
    elif kind == "machine":
        text = f"Server machine '{name}' {OTHER}"
    else:
        text = f"The site {OTHER}"
    return admin_failure(500, text)
