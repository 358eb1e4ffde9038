"""Which log records are wanted, as options: level, times, codes, services, machines, users, words, and noise to leave out."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.durations import parse_duration
from fleet.errors import UsageError
from fleet.given_files import text_of

if TYPE_CHECKING:
    from fleet.aggregate.where import Where
    from fleet.logs import LogQuery

__all__ = ["MOMENT", "SIZE", "check_by", "condition_of", "query_of", "record_options"]

LEVELS = ["SEVERE", "WARNING", "INFO", "FINE", "VERBOSE", "DEBUG"]

IGNORE_FILE_CAP = 1024 * 1024

ALIASES = {"level": "type", "service": "source"}
"""What people call a member of a record that has another name."""


class Moment(click.ParamType[int]):
    """A time in epoch milliseconds: a duration before now, or a date and time in UTC unless it names its zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = str(value).strip()
        if re.match(r"\d{4}-\d\d-\d\d", text):
            try:
                moment = datetime.fromisoformat(text.replace(",", "."))
            except ValueError:
                self.fail(
                    f"{text[:40]!r} is no time: write 2026-11-23T10:15 (UTC), or a duration such as 2h", param, ctx
                )
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            return round(moment.timestamp() * 1000)
        if re.fullmatch(r"\d{12,14}", text, re.ASCII):
            return int(text)
        try:
            return round((time.time() - parse_duration(text)) * 1000)
        except ValueError:
            self.fail(
                f"{text[:40]!r} is no time: write a duration before now such as 2h, or 2026-11-23T10:15 (UTC)",
                param,
                ctx,
            )


class Size(click.ParamType[int]):
    """A number of bytes with its unit: 500MiB, 2GiB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,9})(KiB|MiB|GiB|TiB)", str(value), re.ASCII)
        if match is None or not int(match[1]):
            self.fail(
                f"{str(value)[:40]!r} is no size: write a number with KiB, MiB, GiB or TiB, such as 2GiB", param, ctx
            )
        return int(match[1]) << 10 * (1 + ("KiB", "MiB", "GiB", "TiB").index(match[2]))


MOMENT = Moment()
SIZE = Size()

_OPTIONS = (
    click.option(
        "--level",
        type=click.Choice(LEVELS, case_sensitive=False),
        default="WARNING",
        show_default=True,
        help="The least severe level.",
    ),
    click.option("--code", "codes", multiple=True, metavar="N", help="Only this code (repeatable; 9511,9000 too)."),
    click.option(
        "--service", "services", multiple=True, metavar="GLOB", help="Only of this service: Folder/Name.Type."
    ),
    click.option("--machine", "machines", multiple=True, metavar="GLOB", help="Only of this machine (repeatable)."),
    click.option("--user", "users", multiple=True, metavar="GLOB", help="Only of this user (repeatable)."),
    click.option("--contains", default="", metavar="TEXT", help="Only where the message has this text, in any case."),
    click.option(
        "--where", metavar="CONDITION", help="Only records that fit, such as 'level=SEVERE and message=*timeout*'."
    ),
    click.option(
        "--ignore",
        multiple=True,
        metavar="CONDITION",
        help="Leave out as noise what fits, such as code=9511 (repeatable).",
    ),
    click.option(
        "--ignore-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="More of --ignore, one a line.",
    ),
)

_TIMES = (
    click.option("--since", type=MOMENT, metavar="TIME", help="From then on: 2h (ago), or 2026-11-23T10:15 (UTC)."),
    click.option("--until", type=MOMENT, metavar="TIME", help="Up to then."),
    click.option("--last", type=MOMENT, metavar="DURATION", help="The same as --since, as people say it: --last 2h."),
    click.option("--since-start", is_flag=True, help="Only since the server was started."),
)


def record_options(*, times: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options that say which records; with *times* also from when until when."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed([*_OPTIONS, *(_TIMES if times else ())]):
            function = option(function)
        return function

    return add


def query_of(given: Mapping[str, Any]) -> LogQuery:
    """The query that the options in *given* ask for; raises `UsageError`."""
    from fleet.logs import LogQuery

    if given.get("since") is not None and given.get("last") is not None:
        raise UsageError("--since and --last say the same: give one of them")
    oldest, newest = given.get("since") or given.get("last"), given.get("until")
    if oldest is not None and newest is not None and oldest > newest:
        raise UsageError("--since lies after --until, and there is nothing between")
    return LogQuery(
        level=given["level"].upper(),
        oldest=oldest,
        newest=newest,
        codes=_codes(given["codes"]),
        services=given["services"],
        machines=given["machines"],
        users=given["users"],
        contains=given["contains"],
        since_start=bool(given.get("since_start")),
    )


def _codes(texts: Sequence[str]) -> tuple[int, ...]:
    found = []
    for text in (part.strip() for one in texts for part in one.split(",")):
        if not re.fullmatch(r"-?\d{1,9}", text, re.ASCII):
            raise UsageError(f"a log code is a number such as 9511, and {text[:40]!r} is not")
        found.append(int(text))
    return tuple(dict.fromkeys(found))


def condition_of(given: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], bool] | None:
    """Whether a row is wanted, by --where, --ignore and --ignore-file; None where all are. Raises `UsageError`."""
    from fleet.aggregate.where import matches

    texts = list(given["ignore"])
    if given["ignore_file"] is not None:
        lines = text_of(given["ignore_file"], IGNORE_FILE_CAP).splitlines()
        texts += [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    noise = [_parsed(text, "--ignore") for text in texts]
    where = None if given["where"] is None else _parsed(given["where"], "--where")
    if where is None and not noise:
        return None

    def wanted(row: Mapping[str, Any]) -> bool:
        seen = {**row, **{alias: row.get(name) for alias, name in ALIASES.items()}}
        return (where is None or matches(where, seen)) and not any(matches(one, seen) for one in noise)

    return wanted


def _parsed(text: str, option: str) -> Where:
    from fleet.aggregate.where import parse, require_fields
    from fleet.logs.rows import COLUMNS

    try:
        where = parse(text)
        require_fields(where, [*COLUMNS, *ALIASES])
    except UsageError as error:
        raise UsageError(str(error).replace("--where", option, 1)) from None
    return where


def check_by(names: Sequence[str]) -> None:
    """Raise `UsageError` for what records can't be counted by, before anything is sent."""
    from fleet.logs.top import TopCounts

    TopCounts(names)
