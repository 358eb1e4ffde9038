"""What a bulk verb is: a name, words for people, a plan that only reads, and how a plan is carried out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from fleet.admin.operation import Operation
from fleet.audit import AuditLog
from fleet.bulk.change import Change
from fleet.client.site import Answer, SiteClient
from fleet.errors import SiteError
from fleet.fanout.engine import Progress
from fleet.fanout.leases import Lease, check_lease
from fleet.fanout.stop import Stop
from fleet.outcome import REACHED, outcome_of

__all__ = ["After", "Done", "Sender", "Stopping", "Verb", "make", "make_by"]

After: TypeAlias = Callable[[Answer[Any]], Awaitable[Answer[Any]]]
"""What belongs to a change when its operations were sent, by their last answer: its own counts as theirs do."""

Done: TypeAlias = Callable[[Change, Answer[Any] | BaseException], None]
"""Told what a change came to: its last answer, or what it was broken off by."""


class Stopping(Exception):
    """Somebody stopped the run: what is in flight was finished, and nothing more is sent."""


class Sender:
    """Sends the changes of one run, with a record of each where an audit log is kept."""

    def __init__(
        self,
        audit: AuditLog | None = None,
        stop: Stop | None = None,
        progress: Progress | None = None,
        leases: Mapping[str, Lease] | None = None,
    ) -> None:
        self._audit = audit
        self._stop = stop
        self._progress = progress
        self._leases = leases

    def begin(self) -> None:
        """To be called before each change: raises `Stopping` where nothing new is to be begun."""
        if self._stop is not None and not self._stop.launching:
            raise Stopping

    def to_the_end(self) -> Sender:
        """The same for the second half of what was begun: it is sent although the run was stopped meanwhile."""
        return Sender(self._audit, None, self._progress, self._leases)

    async def send(
        self, client: SiteClient, operation: Operation[Any], *, change: Change | None = None, place: int = 0
    ) -> Answer[Any]:
        """The answer to *operation*; raises the `SiteError` it came to, or `AuditFailed` with nothing sent.

        It is the one at *place* of *change*, where it belongs to a single one. Where the run has leases, nothing that
        changes is sent to a site whose lease is lost: `LeaseLost`.
        """
        if self._leases is not None and operation.changes:
            check_lease(self._leases, client.site.name)
        if self._audit is None or not operation.changes:
            answer = await client.ask(operation)
        else:
            answer = await self._audit.carry_out(client, operation)
        if self._progress is not None and operation.files:
            self._progress.moved += sum(map(_size, operation.files.values()))
        return answer


class Verb(ABC):
    """A verb such as "stop services", with its parameters.

    `name` is what plans call it (`services.stop`). `doing` and `thing` make its question: "stop" and "service" become
    "stop 43 services on 12 sites". `disrupts` says that it restarts services, a machine, or the site. `tells` are members
    of the last answer that the report tells beside each change. `lasting` is False where nothing is left behind that
    could be put back, as after a restart. `resumes` is True where a plan of it finds out how far it came before it was
    broken off, so that it is simply planned and carried out again.
    """

    name: ClassVar[str]
    tells: ClassVar[tuple[str, ...]] = ()
    doing: str
    thing: str = "setting"
    disrupts: bool = False
    lasting: ClassVar[bool] = True
    resumes: ClassVar[bool] = False

    @abstractmethod
    async def plan(self, client: SiteClient) -> Sequence[Change]:
        """What would change on the site of *client*, told by reading only; no secret is in it but in operations.

        Raises the `SiteError` that keeps it from being told.
        """

    def parameters(self) -> Mapping[str, Any]:
        """What the verb was given, as it may be shown and kept: without secrets."""
        return {}

    async def carry_out(self, client: SiteClient, changes: Sequence[Change], sender: Sender, done: Done) -> None:
        """Make *changes* on the site of *client*, one after another, and tell *done* what each came to.

        An error ends its change and not those after it, unless the site itself is out of reach. A verb that knows a
        faster way, such as one call for many, overrides this; every change must be told of exactly once.
        """
        for change in changes:
            await make(client, change, sender, done, self.name)


async def make(
    client: SiteClient, change: Change, sender: Sender, done: Done, name: str, *, after: After | None = None
) -> bool:
    """Make one *change* of the verb *name* by its operations in order, tell *done*, and say whether it is made.

    *after* is awaited before *done* is told, and is a part of the change: it waits until a machine is back, or looks at
    what clients see, and raises what the change came to after all. Raises what must end all of the site's changes: that
    it is out of reach, or that the run is stopped.
    """

    async def work() -> Answer[Any]:
        answer: Answer[Any] = Answer(value=None, outcome="noop")
        half: str | None = None
        try:
            for place, operation in enumerate(change.operations):
                if any(one.changes for one in change.operations[:place]):
                    # Between two halves nothing is in flight, and the change is not whole all the same.
                    client.change_in_flight = name
                answer = _both(answer, await sender.send(client, operation, change=change, place=place))
                half = operation.name if operation.changes and place < len(change.operations) - 1 else None
            if after is not None:
                client.change_in_flight = name
                answer = _both(answer, await after(answer))
        except SiteError as error:
            if outcome_of(error) != "unknown":
                client.change_in_flight = None
            if half is not None:
                error.reword(f"{error.message}; {half} was done before, and stays so")
            raise
        return answer

    return await make_by(client, change, sender, done, work)


async def make_by(
    client: SiteClient, change: Change, sender: Sender, done: Done, work: Callable[[], Awaitable[Answer[Any]]]
) -> bool:
    """Make one *change* by *work*, which answers what it came to, tell *done*, and say whether it is made.

    Raises what must end all of the site's changes: that it is out of reach, or that the run is stopped.
    """
    sender.begin()
    try:
        answer = await work()
    except SiteError as error:
        done(change, error)
        if outcome_of(error) not in (*REACHED, "unknown"):
            raise
        return False
    except BaseException as error:
        done(change, error)
        raise
    else:
        client.change_in_flight = None
        done(change, answer)
    return True


def _size(file: Path | bytes) -> int:
    if isinstance(file, bytes):
        return len(file)
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _both(first: Answer[Any], second: Answer[Any]) -> Answer[Any]:
    """What two operations of one change came to together."""
    return Answer(
        value=first.value if second.value is None else second.value,
        outcome="changed" if "changed" in (first.outcome, second.outcome) else "noop",
        verified=False if False in (first.verified, second.verified) else None,
        after=first.after if second.after is None else second.after,
    )
