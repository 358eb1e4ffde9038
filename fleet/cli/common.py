"""What the commands that talk to sites have in common: their options, and how those become a fleet."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fleet.durations import parse_duration

if TYPE_CHECKING:
    from fleet.inventory.model import Inventory
    from fleet.render.columns import Terminal

__all__ = [
    "DURATION",
    "Common",
    "completed_by",
    "inventory_options",
    "last_outcomes",
    "load_inventory",
    "output_option",
    "row_options",
    "run_options",
    "terminal_of",
    "write_lines",
]

F = TypeVar("F", bound=Callable[..., Any])


class Duration(click.ParamType[float]):
    """A time with a unit: 500ms, 30s, 5m, 2h, 7d, 1h30m."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Share(click.ParamType[float]):
    """A percentage such as 95%."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = str(value)
        try:
            number = float(text.removesuffix("%"))
        except ValueError:
            number = -1.0
        if not text.endswith("%") or not 0 <= number <= 100:
            self.fail("write a percentage from 0% to 100%", param, ctx)
        return number / 100


DURATION = Duration()


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """The common options of one call, as they were given."""

    inventory: tuple[str, ...]
    select: str | None
    allow_commands: bool
    allow_empty: bool
    output: str | None = None
    timeout: float | None = None
    deadline: float | None = None
    width: int = 100
    verbose: int = 0
    quiet: bool = False
    log_format: str = "console"
    columns: tuple[str, ...] = ()
    sort: str | None = None
    query: str | None = None
    require_coverage: float | None = None

    @property
    def format(self) -> str:
        """The output's format: a table on a terminal, JSON anywhere else, unless one was asked for."""
        return self.output or ("table" if sys.stdout.isatty() else "json")


def _packed(function: F, names: tuple[str, ...]) -> Callable[..., Any]:
    """*function* called with a `Common` made of the options *names*."""

    def call(**given: Any) -> Any:
        values = {name: given.pop(name) for name in names if name in given}
        if "columns" in values:
            values["columns"] = tuple(part for part in (values["columns"] or "").split(",") if part)
        return function(Common(**values), **given)

    call.__name__, call.__doc__ = function.__name__, function.__doc__
    call.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    return call


def completed_by(name: str) -> Callable[[click.Context, click.Parameter, str], list[Any]]:
    """What completes a value: the function *name* of `fleet.cli.completing`, which is loaded only then."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from fleet.cli import completing

        found: list[Any] = getattr(completing, name)(ctx, param, incomplete)
        return found

    return complete


_INVENTORY = (
    click.option(
        "-i",
        "--inventory",
        multiple=True,
        metavar="PATH",
        shell_complete=completed_by("inventory_files"),
        help="Inventory file or folder (repeatable).",
    ),
    click.option(
        "-s",
        "--select",
        metavar="EXPR",
        shell_complete=completed_by("selectors"),
        help="Which sites: names, groups, globs, labels, @failed (all).",
    ),
    click.option("--allow-empty", is_flag=True, help="A selector that matches nothing is no error."),
    click.option("--allow-commands", is_flag=True, help="Let secret commands of ./inventory.toml run."),
)
_ROWS = (
    click.option("--columns", metavar="A,B", help="Columns of table, csv and markdown, in this order."),
    click.option("--sort", metavar="COLUMN", help="Sort rows by a column; -COLUMN downwards."),
)
_RUN = (
    click.option("--timeout", type=DURATION, metavar="DURATION", help="Limit of one request, such as 30s."),
    click.option("--deadline", type=DURATION, metavar="DURATION", help="Limit of the whole run, logins included."),
    click.option("--width", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Sites at once."),
    click.option("-v", "--verbose", count=True, help="Log what happens to standard error; -vv every attempt."),
    click.option("-q", "--quiet", is_flag=True, help="No progress and no warnings."),
    click.option("--log-format", type=click.Choice(["console", "json"]), default="console", help="Form of the log."),
    *_ROWS,
    click.option("--query", metavar="JMESPATH", help="Applied to each site's answer before it is merged."),
    click.option("--require-coverage", type=Share(), metavar="P%", help="Status 4 if fewer of the sites answered."),
)
_NAMES = (
    "inventory select output allow_commands allow_empty timeout deadline width verbose quiet log_format columns sort "
    "query require_coverage"
).split()


def output_option(*more: str) -> Callable[[F], F]:
    """`-o` with the common formats and *more*."""
    formats = ["table", "json", "ndjson", "csv", "markdown", *more]
    return click.option("-o", "--output", type=click.Choice(formats), help="Format (table on a terminal, else json).")


def row_options(function: F) -> F:
    """`--columns` and `--sort`, for a command that shows rows."""
    for option in reversed(_ROWS):
        function = option(function)
    return function


def inventory_options(function: F) -> Callable[..., Any]:
    """The options that say which inventory and which of its sites; *function* gets them as a `Common`."""
    packed = _packed(function, tuple(_NAMES))
    for option in reversed(_INVENTORY):
        packed = option(packed)
    return packed


def run_options(function: F) -> Callable[..., Any]:
    """All common options of a command that talks to sites; *function* gets them as a `Common`."""
    packed = _packed(function, tuple(_NAMES))
    for option in reversed((*_INVENTORY, *_RUN)):
        packed = option(packed)
    return packed


def load_inventory(common: Common) -> Inventory:
    """The inventory that the options name; raises `InventoryError` or `UsageError`."""
    from fleet.inventory.load import find_sources, load

    return load(find_sources(common.inventory), allow_commands=common.allow_commands)


def last_outcomes(inventory: Inventory) -> Callable[[], Mapping[str, str] | None]:
    """What the last run on *inventory* came to, looked up only if a selector asks."""

    def look() -> Mapping[str, str] | None:
        from fleet.history.store import Store

        with Store.open_default() as store:
            return store.last_outcomes(inventory.files)

    return look


def terminal_of() -> Terminal:
    """Standard output as a terminal: its width, and whether it takes colour.

    `NO_COLOR` wins, then `FORCE_COLOR`; a dumb terminal and anything that is no terminal get none.
    """
    import shutil

    from fleet.render.columns import Terminal

    colour = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    if os.environ.get("FORCE_COLOR", "0").lower() not in ("", "0", "false"):
        colour = True
    if os.environ.get("NO_COLOR"):
        colour = False
    return Terminal(max(40, shutil.get_terminal_size((100, 24)).columns), colour)


def write_lines(lines: Sequence[str], terminal: Terminal) -> None:
    """*lines* on standard output, with their colours where *terminal* takes them."""
    if lines:
        click.echo("\n".join(lines), color=terminal.colour)
