"""What the commands that talk to sites have in common: their options, and how those become a fleet."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fleet.durations import parse_duration
from fleet.errors import UsageError

if TYPE_CHECKING:
    from fleet.inventory.model import Inventory
    from fleet.render.columns import Terminal

__all__ = [
    "DURATION",
    "DURATION_OR_NONE",
    "Common",
    "completed_by",
    "file_options",
    "inventory_options",
    "last_outcomes",
    "load_inventory",
    "local_options",
    "output_option",
    "row_options",
    "run_options",
    "speech_options",
    "terminal_of",
]

F = TypeVar("F", bound=Callable[..., Any])


class Duration(click.ParamType[float]):
    """A time with a unit: 500ms, 30s, 5m, 2h, 7d, 1h30m; none at all only where *zero* is taken."""

    name = "duration"

    def __init__(self, *, zero: bool = False) -> None:
        self._zero = zero

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            seconds = parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not seconds and not self._zero:
            self.fail(f"{value!r} is no time at all: write one that is more than nothing, such as 30s", param, ctx)
        return seconds


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
DURATION_OR_NONE = Duration(zero=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """The common options of one call, as they were given."""

    inventory: tuple[str, ...] = ()
    select: str | None = None
    allow_commands: bool = False
    allow_empty: bool = False
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
    no_pager: bool = False

    @property
    def selection(self) -> str:
        """The selector: every site only where none was given, never where an empty one was."""
        return "all" if self.select is None else self.select

    @property
    def format(self) -> str:
        """The output's format: a table on a terminal, JSON anywhere else, unless one was asked for."""
        return self.output or ("table" if sys.stdout.isatty() else "json")


def _packed(function: F) -> Callable[..., Any]:
    """*function* called with a `Common` made of the common options that it has."""

    def call(**given: Any) -> Any:
        values = {field.name: given.pop(field.name) for field in fields(Common) if field.name in given}
        if "columns" in values:
            values["columns"] = tuple(part.strip() for part in (values["columns"] or "").split(",") if part.strip())
        common = Common(**values)
        if common.select is not None and not common.select.strip():
            # What an unset variable of a script leaves behind must not mean every site.
            raise UsageError("the selector is empty; `-s all` picks every site. Nothing was sent")
        return function(common, **given)

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


_FILES = (
    click.option(
        "-i",
        "--inventory",
        multiple=True,
        metavar="PATH",
        shell_complete=completed_by("inventory_files"),
        help="Inventory file or folder (repeatable).",
    ),
    click.option("--allow-commands", is_flag=True, help="Let secret commands of ./inventory.toml run."),
)
_SITES = (
    click.option(
        "-s",
        "--select",
        metavar="EXPR",
        shell_complete=completed_by("selectors"),
        help="Which sites: names, groups, globs, labels, @failed (all).",
    ),
    click.option("--allow-empty", is_flag=True, help="A selector that matches nothing is no error."),
)
_RUN = (
    click.option("--timeout", type=DURATION, metavar="DURATION", help="Limit of one request, such as 30s."),
    click.option("--deadline", type=DURATION, metavar="DURATION", help="Limit of the whole run, logins included."),
    click.option("--width", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Sites at once."),
)
_ROWS = (
    click.option("--columns", metavar="A,B", help="Columns of table, csv, markdown and html, in this order."),
    click.option("--sort", metavar="COLUMN", help="Sort rows by a column; -COLUMN downwards."),
)
_ANSWERS = (
    click.option("--query", metavar="JMESPATH", help="Applied to each site's answer before it is merged."),
    click.option("--require-coverage", type=Share(), metavar="P%", help="Status 4 if fewer of the sites answered."),
)


def output_option(*more: str, without: Collection[str] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`-o` with the common formats and *more*, but for those in *without*; and whether long tables are paged."""
    formats = [name for name in ("table", "json", "ndjson", "csv", "markdown", "html", *more) if name not in without]
    options = (
        click.option("-o", "--output", type=click.Choice(formats), help="Format (table on a terminal, else json)."),
        click.option("--no-pager", is_flag=True, help="Show a long table at once, not page by page."),
    )
    return lambda function: _with(function, *options)


def _with(function: Callable[..., Any], *options: Callable[[Any], Any]) -> Callable[..., Any]:
    for option in reversed(options):
        function = option(function)
    return function


def speech_options(verbose: str, quiet: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """How much a command says on standard error; *verbose* and *quiet* are the help of -v and -q."""
    options = (
        click.option("-v", "--verbose", count=True, help=verbose),
        click.option("-q", "--quiet", is_flag=True, help=quiet),
        click.option(
            "--log-format", type=click.Choice(["console", "json"]), default="console", help="Form of the log."
        ),
    )
    return lambda function: _with(function, *options)


_speech = speech_options("Log what happens to standard error; -vv every attempt.", "No progress and no warnings.")
_reading = speech_options("Log which files were read to standard error.", "Only results, and what is wrong.")


def file_options(function: F) -> Callable[..., Any]:
    """The options that say which inventory; *function* gets them as a `Common`."""
    return _with(_packed(function), *_FILES, _reading)


def local_options(function: F) -> Callable[..., Any]:
    """The options of a command that needs neither an inventory nor a site; *function* gets them as a `Common`."""
    return _with(_packed(function), click.option("-q", "--quiet", is_flag=True, help="Only the results."))


def inventory_options(function: F) -> Callable[..., Any]:
    """The options that say which inventory and which of its sites; *function* gets them as a `Common`."""
    return _with(_packed(function), *_FILES, *_SITES, _reading)


def row_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that shape rows, for a command whose other common options stand below."""
    return _with(function, *_ROWS)


def run_options(function: F) -> Callable[..., Any]:
    """All common options of a command that talks to sites; *function* gets them as a `Common`."""
    return _with(_packed(function), *_FILES, *_SITES, *_RUN, _speech, *_ROWS, *_ANSWERS)


def load_inventory(common: Common, *, told: bool = False) -> Inventory:
    """The inventory that the options name; raises `InventoryError` or `UsageError`.

    With *told* the log says what was read, where -v asks for it.
    """
    from fleet.inventory.load import find_sources, load

    inventory = load(find_sources(common.inventory), allow_commands=common.allow_commands)
    if told and common.verbose:
        from fleet.cli.logs import configure

        log = configure(common.verbose, common.log_format, str, sys.stderr)
        files = ", ".join(map(str, inventory.files))
        log.info("inventory.read", files=files, sites=len(inventory), groups=len(inventory.groups))
    return inventory


def last_outcomes(inventory: Inventory) -> Callable[[], Mapping[str, str] | None]:
    """What the last run on *inventory* came to, looked up only if a selector asks."""

    def look() -> Mapping[str, str] | None:
        from fleet.history.last import last_outcomes as recorded

        return recorded(inventory.files)()

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
