"""Questions to a person at a terminal: whether a change is meant, and on which protected sites as well."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from fleet.errors import UsageError

if TYPE_CHECKING:
    from fleet.admin.operation import Operation
    from fleet.inventory.model import Site

__all__ = ["can_ask", "confirm_change"]


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
    from fleet.inventory.tables import nearest

    names = [site.name for site in sites]
    for name in named:
        if name not in names:
            near = nearest(name, names)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(f"--confirm {name}: no selected site is called so{hint}")
    allowed = set(named)
    if not can_ask():
        return frozenset(allowed)
    protected = [site.name for site in sites if site.protected and site.name not in allowed]
    if yes and not protected:
        return frozenset(allowed)
    try:
        _describe(operation, names)
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
        spared = [name for name in protected if name not in allowed]
        count = len(names) - len(spared)
        if not yes and count and not click.confirm(_question(count, len(spared)), err=True):
            click.echo("nothing was sent", err=True)
            raise click.exceptions.Exit(1)
    except click.Abort:
        click.echo("\nnothing was sent", err=True)
        raise
    return frozenset(allowed)


def _describe(operation: Operation[Any], names: Sequence[str]) -> None:
    from fleet.admin.operation import Effect
    from fleet.audit import parameters_of
    from fleet.render.clean import one_line
    from fleet.render.columns import plural
    from fleet.render.names import fold_names

    click.echo(f"{operation.name} on {plural(len(names), 'site')}: {fold_names(names, 200)}", err=True)
    told = [f"{key}={one_line(value, 60)}" for key, value in parameters_of(operation).items()]
    click.echo(one_line("  " + "  ".join([operation.method, operation.path, *told]), 400), err=True)
    if operation.effect is Effect.DISRUPT:
        click.echo("  This restarts services, a machine, or the site.", err=True)
    if operation.read_back is None:
        click.echo("  Nothing that can be read will tell whether it took effect.", err=True)


def _question(count: int, spared: int) -> str:
    from fleet.render.columns import plural

    if not spared:
        return f"Change {plural(count, 'site')}?"
    return f"Change {plural(count, 'site')}, and leave {spared} protected alone?"
