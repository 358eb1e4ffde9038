"""`fleet services sets`: which services were stopped to be started again later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fleet.cli.common import Common, completed_by, output_option, row_options

if TYPE_CHECKING:
    pass

__all__ = ["sets"]


@click.group(name="sets")
def sets() -> None:
    """The services that `fleet services stop --remember NAME` stopped, kept in the state folder of this machine.

    \b
    fleet services stop '*' -s prod --remember before-upgrade
    fleet services sets show before-upgrade
    fleet services start --remembered before-upgrade -s prod
    """


def _common(*, columns: str | None, **given: Any) -> Common:
    names = tuple(part.strip() for part in (columns or "").split(",") if part.strip())
    return Common(columns=names, **given)


@sets.command(name="list")
@output_option()
@row_options
def list_(**given: Any) -> None:
    """Every remembered set, with how many of its services were not started again yet.

    \b
    fleet services sets list
    """
    from fleet.cli.writing import write_rows
    from fleet.history.sets import sets as every

    rows = [
        {"name": one.name, "began": one.began, "sites": len(one.sites), "services": one.count, "left": one.left}
        for one in every()
    ]
    names = ("name", "began", "sites", "services", "left")
    write_rows(_common(**given), rows, title="services sets list", names=names)


@sets.command(name="show")
@click.argument("name", shell_complete=completed_by("remembered_sets"))
@output_option()
@row_options
def show(name: str, **given: Any) -> None:
    """The services of a set: `stopped`, `started` again, or `unknown` where the stop was sent and its fate is not known.

    One that is `stopping` was about to be stopped when the program ended.

    \b
    fleet services sets show before-the-upgrade
    """
    from fleet.cli.writing import write_rows
    from fleet.history.sets import read_set

    rows = [
        {"site": site, "service": service, "state": state}
        for site, states in read_set(name).sites.items()
        for service, state in states.items()
    ]
    names = ("site", "service", "state")
    write_rows(_common(**given), rows, title=f"services sets show {name}", names=names)


@sets.command(name="delete")
@click.argument("name", shell_complete=completed_by("remembered_sets"))
def delete(name: str) -> None:
    """Forget a set; no site is changed.

    \b
    fleet services sets delete before-the-upgrade
    """
    from fleet.history.sets import delete_set

    delete_set(name)
