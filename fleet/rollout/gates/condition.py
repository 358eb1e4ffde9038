"""The gate `condition`: something that every site, or so many of them, must say of itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from fleet.admin.operation import Operation
from fleet.aggregate.query import compile_query
from fleet.aggregate.where import Where, fields_of, holds, parse
from fleet.errors import SiteError, UsageError
from fleet.protocol.redact import redacted
from fleet.rollout.gates.asking import ask_each
from fleet.rollout.gates.given import Given
from fleet.rollout.gates.reads import read_of
from fleet.rollout.gates.saying import NONE, Said, cut, gathered
from fleet.rollout.spec import Amount, Gate
from fleet.rollout.verdict import Asked, Verdict

__all__ = ["Condition", "judged"]

SHOWN = 5
"""Fields, and elements of a list, that are told of one site."""


def judged(value: Any, where: Where | None, query: Callable[[Any], Any] | None) -> Said:
    """What a site says whose answer is *value*: go where the condition holds, and cannot tell where what it looks at is
    missing. *query* picks a part first; without *where* that part must be true. In a list every element must fit.
    """
    if query is not None:
        try:
            value = query(value)
        except ValueError as error:
            return Said(answer="cannot_tell", why=cut(f"the query does not fit the answer: {error}"))
    if where is None:
        if isinstance(value, bool):
            return Said(answer="go" if value else "no", why=f"the query comes to {str(value).lower()}")
        what = "null" if value is None else f"a {type(value).__name__}"
        return Said(answer="cannot_tell", why=f"the query comes to {what}, and not to true or false")
    rows = value if isinstance(value, list) else [value]
    if not rows:
        return Said(answer="cannot_tell", why="there is nothing for the condition to hold of")
    against, unsure = [], []
    for row in rows:
        found = holds(where, row) if isinstance(row, Mapping) else None
        if found is None:
            unsure.append(row)
        elif not found:
            against.append(row)
    of = "" if len(rows) == 1 else f" of {len(against) or len(unsure)} of {len(rows)}"
    if against:
        return Said(answer="no", why=f"it does not hold{of}: {where}", saw=_saw(where, against))
    if unsure:
        return Said(answer="cannot_tell", why=f"a value of it is missing{of}: {where}", saw=_saw(where, unsure))
    return Said(answer="go")


def _saw(where: Where, rows: list[Any]) -> dict[str, Any]:
    """The fields of the condition in the first *rows*, without what is secret."""
    fields = sorted(fields_of(where))[:SHOWN]
    told = []
    for row in rows[:SHOWN]:
        clean = redacted(dict(row)) if isinstance(row, Mapping) else {}
        told.append({field: _small(_member(clean, field)) for field in fields})
    return {"saw": told if len(told) > 1 else told[0]}


def _member(row: Mapping[str, Any], field: str) -> Any:
    if field in row:
        return row[field]
    value: Any = row
    for part in field.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _small(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float) else cut(str(value))


class Condition:
    """Says no where a site's answer to *operation* does not fit, and cannot tell where it does not say."""

    def __init__(
        self,
        operation: Operation[Any],
        where: Where | None,
        query: Callable[[Any], Any] | None = None,
        *,
        share: Amount = NONE,
        at_least: Amount | None = None,
    ) -> None:
        self._operation = operation
        self._where = where
        self._query = query
        self._share = share
        self._at_least = at_least

    @classmethod
    def of(cls, gate: Gate, given: Given, share: Amount) -> Condition | None:
        """The check that *gate* means; its mistakes are left with *given*."""
        operation = read_of(given, "path")
        where, query = None, None
        text = given.text("where")
        try:
            where = None if text is None else parse(text)
        except UsageError as error:
            given.wrong(str(error).replace("--where", "where"))
        text = given.text("query")
        try:
            query = None if text is None else compile_query(text)
        except UsageError as error:
            given.wrong(str(error))
        if not given.has("where") and not given.has("query"):
            given.wrong("where is missing: what must hold, such as 'siteMode = EDITABLE'")
        wanted = given.amount("at_least", NONE)
        at_least = wanted if given.has("at_least") else None
        if at_least is not None and given.has("share"):
            given.wrong("at_least says how many must fit, and share how many need not: give one of them")
        if operation is None:
            return None
        return cls(operation, where, query, share=share, at_least=at_least)

    async def baseline(self, asked: Asked) -> Any:
        """Nothing: what must hold does not depend on what was."""
        return None

    async def judge(self, asked: Asked, baseline: Any) -> Verdict:
        """Whether it holds now."""

        async def work(client: Any) -> Said:
            return judged(await client.call(self._operation), self._where, self._query)

        found = await ask_each(asked, work)
        said = {
            site: Said(answer="cannot_tell", why=cut(one.message), saw={"kind": one.kind})
            if isinstance(one, SiteError)
            else one
            for site, one in found.items()
        }
        return gathered(said, may_say_no=self._may_say_no(len(said)), lost=asked.lost)

    def _may_say_no(self, sites: int) -> Amount:
        wanted = self._at_least
        if wanted is None:
            return self._share
        # A percentage of those that must fit is rounded up: 90 % of 15 are 14.
        least = math.ceil(wanted.number * sites / 100) if wanted.percent else wanted.number
        return Amount(max(0, sites - least))
