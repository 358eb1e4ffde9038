"""A query as it is read before anything is fetched: which tables and columns it names, and what it asks of which rows.

What a query asks of a table's rows is only used where leaving out the other rows can't change the answer: terms that are
joined by `and` in the `where` of the very `select` that names the table, and that no row with nulls fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, ParseError, SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from fleet.errors import UsageError
from fleet.sql.schema import ALIASES, table_names

__all__ = ["Mention", "Query", "Term", "read_query"]

TEXT_CAP = 100_000

_PLAIN = (
    exp.Column,
    exp.Identifier,
    exp.Literal,
    exp.Neg,
    exp.Paren,
    exp.Tuple,
    exp.Boolean,
    exp.EQ,
    exp.In,
    exp.Like,
    exp.Glob,
    exp.GT,
    exp.GTE,
    exp.LT,
    exp.LTE,
    exp.Between,
)
"""What a term may consist of that is judged apart from the query."""

_TERMS = (exp.EQ, exp.In, exp.Like, exp.Glob, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between)


@dataclass(frozen=True, slots=True)
class Term:
    """A condition on one column, as SQL in which the column stands without its table."""

    column: str
    sql: str


@dataclass(frozen=True, slots=True)
class Mention:
    """One place at which a query names a table, and the terms that all rows wanted there must fit."""

    table: str
    terms: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """A query that reads: its text, its mentions of tables, and the names of all columns in it, in lower case."""

    text: str
    mentions: tuple[Mention, ...]
    columns: frozenset[str]
    errors: bool = False
    """Whether it reads `_errors`."""

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that it names, each once."""
        return tuple(dict.fromkeys(mention.table for mention in self.mentions))


def read_query(text: str, *, labels: Iterable[str] = ()) -> Query:
    """The query in *text*; *labels* are the columns for labels. Raises `UsageError` with the place of a mistake.

    It must be one `select` (or `with`, or a union of them): nothing else has anything to work on.
    """
    if len(text) > TEXT_CAP:
        raise UsageError(f"the query is longer than {TEXT_CAP} characters")
    try:
        found = [tree for tree in sqlglot.parse(text, dialect="sqlite") if tree is not None]
    except ParseError as error:
        raise UsageError(_sentence(error)) from None
    except (SqlglotError, RecursionError) as error:
        raise UsageError(f"the query can't be read: {str(error).splitlines()[0] or type(error).__name__}") from None
    if not found:
        raise UsageError("the query is empty; `fleet sql --schema` shows the tables")
    if len(found) > 1:
        raise UsageError("one query at a time, and there are more, parted by semicolons")
    tree = found[0]
    if not isinstance(tree, exp.Query):
        raise UsageError("a query begins with select or with; the tables can't be written to")
    mentions, errors = _mentions(tree, frozenset(labels))
    if errors and not mentions:
        raise UsageError(
            "_errors is about the tables that a query names, and this one names no other; "
            "join it, as in: select e.*, count(s.service) from _errors e left join services s on s.site = e.site group by e.site"
        )
    return Query(text, tuple(mentions), _columns(tree), errors)


def _sentence(error: ParseError) -> str:
    if not error.errors:
        return f"the query can't be read: {str(error).splitlines()[0]}"
    told = error.errors[0]
    near = told.get("highlight") or ""
    place = f"line {told.get('line')}, column {told.get('col')}"
    what = str(told.get("description") or "a mistake").partition(" but got <")[0].rstrip(".")
    return f"the query can't be read at {place}: {what[:1].lower()}{what[1:]}" + (f" near {near!r}" if near else "")


def _columns(tree: exp.Expr) -> frozenset[str]:
    names = {column.name.lower() for column in tree.find_all(exp.Column)}
    for join in tree.find_all(exp.Join):
        names |= {identifier.name.lower() for identifier in join.args.get("using") or ()}
    return frozenset(names)


def _mentions(tree: exp.Expr, labels: frozenset[str]) -> tuple[list[Mention], bool]:
    known = {name.lower(): name for name in table_names()} | ALIASES
    try:
        scopes: Sequence[Scope] = traverse_scope(tree)
    except (OptimizeError, RecursionError):
        scopes = ()
    named: dict[int, tuple[Scope, str]] = {}
    for scope in scopes:
        for alias, source in scope.sources.items():
            if isinstance(source, exp.Table):
                named[id(source)] = (scope, alias)
    defined = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    mentions, errors = [], False
    for node in tree.find_all(exp.Table):
        name = node.name.lower()
        scoped = named.get(id(node))
        if scoped is None and name in defined:
            continue
        if node.args.get("db") is not None:
            raise UsageError(f"there is no table {node.sql(dialect='sqlite')!r}; tables have plain names")
        if name == "_errors":
            errors = True
            continue
        if name not in known:
            if name in defined:
                continue
            near = get_close_matches(name, known, n=1)
            told = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise UsageError(f"there is no table {node.name!r}; {told}")
        terms = () if scoped is None else tuple(_terms(*scoped, labels))
        mentions.append(Mention(known[name], terms))
    return mentions, errors


def _terms(scope: Scope, alias: str, labels: frozenset[str]) -> list[Term]:
    """The terms of the scope's `where` that speak of the table that is called *alias* there, and of nothing else."""
    where = scope.expression.args.get("where") if isinstance(scope.expression, exp.Select) else None
    if where is None:
        return []
    alone = len(scope.sources) == 1
    found = []
    for term in _conjunction(where.this):
        if not isinstance(term, _TERMS) or term.args.get("query") is not None:
            continue
        columns = {(column.table.lower(), column.name.lower()) for column in term.find_all(exp.Column)}
        if len(columns) != 1:
            continue
        table, column = columns.pop()
        if table != alias.lower() if table else not alone:
            continue
        if not isinstance(term.this, exp.Column) or not all(map(_is_plain, term.walk())):
            continue
        bare = term.copy()
        for node in bare.find_all(exp.Column):
            node.set("table", None)
        found.append(Term(column, bare.sql(dialect="sqlite")))
    return found


def _conjunction(node: exp.Expr) -> Iterable[exp.Expr]:
    if isinstance(node, exp.And):
        yield from _conjunction(node.this)
        yield from _conjunction(node.expression)
    elif isinstance(node, exp.Paren):
        yield from _conjunction(node.this)
    else:
        yield node


def _is_plain(node: exp.Expr) -> bool:
    if isinstance(node, exp.Anonymous):
        return node.name.lower() == "ago"
    return isinstance(node, _PLAIN)
