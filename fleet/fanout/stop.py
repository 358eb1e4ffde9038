"""How somebody stops a run: first nothing new is started, then what is under way is cancelled."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Stop"]


class Stop:
    """Handed to a run by whoever may end it early; both methods may be called at any time, and more than once."""

    def __init__(self) -> None:
        self._level = 0
        self._listeners: list[Callable[[], None]] = []

    @property
    def launching(self) -> bool:
        """Whether further sites may be started."""
        return self._level == 0

    @property
    def cancelled(self) -> bool:
        """Whether what is under way is cancelled."""
        return self._level > 1

    def launch_no_more(self) -> None:
        """Start nothing new; what is in flight finishes."""
        self._level = max(self._level, 1)
        self._tell()

    def cancel_all(self) -> None:
        """Cancel what is in flight as well."""
        self._level = 2
        self._tell()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call *listener* at every step of stopping; the result ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()
