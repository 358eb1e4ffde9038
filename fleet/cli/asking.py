"""Questions to a person at a terminal: whether a change is meant, and on which protected sites as well."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from fleet.errors import UsageError

if TYPE_CHECKING:
    from fleet.admin.operation import Operation
    from fleet.inventory.model import Site

__all__ = ["ask_about", "can_ask", "check_confirmed", "confirm_change"]


def can_ask() -> bool:
    """Whether somebody can read a question (on standard error) and answer it (on standard input)."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm_change(
    operation: Operation[Any], sites: Sequence[Site], *, named: Sequence[str], yes: bool
) -> frozenset[str]:
    """Ask whether *operation* is meant on *sites*; the names of the protected ones that may be changed as well.

    *named* are those that the command line confirms. With *yes* only protected sites are asked about, and only where
    there is a terminal. Raises `UsageError` for a name that is not selected, `click.exceptions.Exit` with status 1 for
    a no, and `click.Abort` for an interrupt.
    """
    check_confirmed(sites, named)
    lines = _description(operation, [site.name for site in sites])

    def question(changed: Sequence[str]) -> str:
        return _question(len(changed), len(sites) - len(changed))

    return ask_about(lines, question, sites, named=named, yes=yes)


def check_confirmed(sites: Sequence[Site], named: Sequence[str]) -> None:
    """Raise `UsageError` for one of *named*, which the command line confirms, that is not among *sites*."""
    from fleet.inventory.tables import nearest

    names = [site.name for site in sites]
    for name in named:
        if name not in names:
            near = nearest(name, names)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(f"--confirm {name}: no selected site is called so{hint}")


def ask_about(
    lines: Sequence[str],
    question: Callable[[Sequence[str]], str],
    sites: Sequence[Site],
    *,
    named: Sequence[str],
    yes: bool,
) -> frozenset[str]:
    """Show *lines*, have protected ones of *sites* named, and ask *question* of the sites that would be changed.

    The result are the protected sites that may be changed as well: *named*, and those that were typed. With *yes* only
    protected sites are asked about. Without a terminal nothing is asked at all. Raises `click.exceptions.Exit` with
    status 1 for a no, and `click.Abort` for an interrupt.
    """
    allowed = set(named)
    if not can_ask():
        return frozenset(allowed)
    protected = [site.name for site in sites if site.protected and site.name not in allowed]
    if yes and not protected:
        return frozenset(allowed)
    try:
        for line in lines:
            click.echo(line, err=True)
        for name in protected:
            typed = click.prompt(
                f"{name} is protected. Type its name to change it too, or press Enter to leave it alone",
                default="",
                show_default=False,
                err=True,
            )
            if typed.strip() == name:
                allowed.add(name)
            elif typed.strip():
                click.echo(f"that is not its name; {name} is left alone", err=True)
        changed = [site.name for site in sites if not site.protected or site.name in allowed]
        if not yes and changed and not click.confirm(question(changed), err=True):
            click.echo("nothing was sent", err=True)
            raise click.exceptions.Exit(1)
    except click.Abort:
        click.echo("\nnothing was sent", err=True)
        raise
    return frozenset(allowed)


def _description(operation: Operation[Any], names: Sequence[str]) -> list[str]:
    from fleet.admin.operation import Effect
    from fleet.audit import parameters_of
    from fleet.render.clean import one_line
    from fleet.render.columns import plural
    from fleet.render.names import fold_names

    lines = [f"{operation.name} on {plural(len(names), 'site')}: {fold_names(names, 200)}"]
    told = [f"{key}={one_line(value, 60)}" for key, value in parameters_of(operation).items()]
    lines.append(one_line("  " + "  ".join([operation.method, operation.path, *told]), 400))
    if operation.effect is Effect.DISRUPT:
        lines.append("  This restarts services, a machine, or the site.")
    if operation.read_back is None:
        lines.append("  Nothing that can be read will tell whether it took effect.")
    return lines


def _question(count: int, spared: int) -> str:
    from fleet.render.columns import plural

    if not spared:
        return f"Change {plural(count, 'site')}?"
    return f"Change {plural(count, 'site')}, and leave {spared} protected alone?"
