"""The step that runs a function of a file on each site: with the site's client, and a context that remembers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Literal

from fleet.admin.operation import Operation
from fleet.bulk.change import Change
from fleet.bulk.verb import Done, Sender, Stopping, Verb
from fleet.client.site import Answer, SiteClient
from fleet.errors import AuditFailed, FateUnknown, ServerFailed, SiteError, StoreFailed
from fleet.outcome import REACHED, outcome_of
from fleet.rollout.notebook import MemoryNotebook, Notebook
from fleet.rollout.steps.scripts import Script, place_of

__all__ = ["Context", "RunScript"]

CHANGE, SENDING = "change:", "sending:"


class Context:
    """What a script gets beside the client of its site: a memory that outlives a crash, and a way to change the site.

    *site* is the site's name, *parameters* what the step was given.
    """

    def __init__(
        self,
        client: SiteClient,
        parameters: Mapping[str, Any],
        *,
        item: str = "",
        sender: Sender | None = None,
        notebook: Notebook | None = None,
        log: Callable[[str], None] | None = None,
    ) -> None:
        self.site = client.site.name
        self.parameters = parameters
        self._client = client
        self._item = item
        self._sender = sender
        self._notebook = notebook or (sender if isinstance(sender, Notebook) else MemoryNotebook())
        self._log = log
        self._count = 0
        self.outcome: Literal["changed", "noop"] = "noop"
        self.verified: bool | None = None

    async def once(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """What *work* answers, a JSON value; it is remembered as *name*, and not done again after a crash.

        Broken off before it has answered, it is done again: it must be something that may be done twice. Raises
        `TypeError` for what is no JSON.
        """
        found, value = self._notebook.remembered(f"once:{name}")
        if found:
            return value
        value = json.loads(json.dumps(await work()))
        await self._notebook.remember(f"once:{name}", value)
        return value

    async def change(
        self,
        operation: Operation[Any],
        undo: Operation[Any] | Sequence[Operation[Any]] = (),
        *,
        name: str | None = None,
    ) -> Answer[Any]:
        """Send *operation*, journalled, seen to have taken effect, and put back by *undo* in a rollback.

        What was done before a crash is not sent again: each change is known by *name*, or by its place among those that
        have none. Raises the `SiteError` that it came to; `FateUnknown` for one that may have been sent before a crash,
        and of which nothing tells.
        """
        if self._sender is None:
            raise RuntimeError("a plan changes nothing")
        self._count += name is None
        key = name if name is not None else f"{operation.name} {self._count}"
        done, value = self._notebook.remembered(CHANGE + key)
        if done:
            # It was this script that did it, before it was broken off.
            self.outcome = "changed" if value == "changed" else self.outcome
            return Answer(value=None, outcome="changed" if value == "changed" else "noop")
        blind = operation.changes and (operation.read_back is None or not operation.read_back.whole)
        if blind and not operation.idempotent:
            if self._notebook.remembered(SENDING + key)[0]:
                raise FateUnknown(
                    f"{key} may have been sent before, and nothing that can be read tells",
                    hint="look at the site, and go on by hand",
                )
            await self._notebook.remember(SENDING + key, True)
        self._sender.begin()
        back = (undo,) if isinstance(undo, Operation) else tuple(undo)
        one = Change(item=f"{self._item} {key}", operations=(operation,), undo=back)
        answer = await self._sender.send(self._client, operation, change=one, place=0)
        self._client.change_in_flight = None
        await self._notebook.remember(CHANGE + key, answer.outcome)
        if answer.outcome == "changed":
            self.outcome = "changed"
        self.verified = False if answer.verified is False else self.verified
        return answer

    def log(self, *words: Any) -> None:
        """Say *words* in the report's warnings, secrets masked."""
        text = self._client.masked(" ".join(map(str, words)))
        if self._log is not None:
            self._log(text)
        else:
            self._client.note("script", text)


@dataclass(frozen=True)
class RunScript(Verb):
    """Run the function of *script* on each site. Its plan is what its planner says, else that it would be run.

    An error of the script that is none of a site's is that site's failure, with the line of the script.
    """

    script: Script
    given: Mapping[str, Any] = field(default_factory=dict)

    name = "script"
    doing: str = field(default="run", init=False)
    thing: str = field(default="script", init=False)
    disrupts: bool = field(default=True, init=False)
    resumes: ClassVar[bool] = True

    def parameters(self) -> Mapping[str, Any]:
        return {"script": self.script.do, "digest": self.script.digest, "parameters": dict(self.given)}

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        new = {"script": self.script.do, "digest": self.script.digest}
        if self.script.planner is None:
            return [Change(item=self.script.do, new=new)]
        context = Context(client, self.given, item=self.script.do)
        told = await self._guarded(client, partial(self.script.planner, client, context))
        if not isinstance(told, list | tuple):
            raise ServerFailed(f"what plans {self.script.do} answered no list of changes", may_have_arrived=False)
        return [self._planned(one) for one in told]

    def _planned(self, told: Any) -> Change:
        """A change as the planner tells it: one of ours, or `{"item", "old", "new", "state"}`."""
        if isinstance(told, Change):
            return told
        if not isinstance(told, Mapping) or not isinstance(told.get("item"), str):
            raise ServerFailed(f"what plans {self.script.do} answered something else", may_have_arrived=False)
        state = told.get("state", "noop" if "new" in told and told.get("old") == told["new"] else "change")
        if state not in ("change", "noop"):
            raise ServerFailed(f"what plans {self.script.do} knows change and noop alone", may_have_arrived=False)
        return Change(item=told["item"], state=state, old=told.get("old"), new=told.get("new"))

    async def carry_out(self, client: SiteClient, changes: Sequence[Change], sender: Sender, done: Done) -> None:
        if not changes:
            return
        sender.begin()
        context = Context(client, self.given, item=self.script.do, sender=sender)
        try:
            await self._guarded(client, partial(self.script.function, client, context))
        except BaseException as error:
            for change in changes:
                done(change, error)
            if not isinstance(error, SiteError) or outcome_of(error) not in (*REACHED, "unknown"):
                raise
            return
        client.change_in_flight = None
        for change in changes:
            done(change, Answer(value=None, outcome=context.outcome, verified=context.verified))

    async def _guarded(self, client: SiteClient, work: Callable[[], Awaitable[Any]]) -> Any:
        """What *work* answers; an error of its own is told as the site's, without what it held."""
        try:
            return await work()
        except (SiteError, Stopping, AuditFailed, StoreFailed):
            raise
        except Exception as error:
            text = client.masked(" ".join(f"{type(error).__name__}: {error}".split()))[:300]
            raise ServerFailed(f"{place_of(error, self.script.path)}: {text}", may_have_arrived=False) from None
