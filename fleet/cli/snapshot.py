"""`fleet snapshot`: what the sites hold, kept in a local store, looked at, exported, and thrown away again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.common import (
    DURATION,
    Common,
    completed_by,
    output_option,
    row_options,
    run_options,
)
from fleet.errors import UsageError

if TYPE_CHECKING:
    from fleet.cli.run import Session
    from fleet.report import Report
    from fleet.snapshots.records import Kept, SiteRecord
    from fleet.snapshots.store import Store

__all__ = ["command"]

COLUMNS = ("id", "name", "made", "sites", "missing", "pieces", "failed", "written")
SPEECH = click.option("-q", "--quiet", is_flag=True, help="Only results, and what is wrong.")


@click.group(name="snapshot")
def command() -> None:
    """Keep what the sites hold: definitions, states, settings, certificates, licences; never a secret.

    \b
    fleet snapshot save -s prod --name before-upgrade
    fleet snapshot list
    fleet diff --from before-upgrade -s prod
    fleet snapshot export latest config-of-the-fleet/
    fleet snapshot prune --keep 30 --older-than 90d

    SNAPSHOT is an ID, the begin of one, a name, latest, or an age: 7d is the newest that is at least a week old.
    """


@command.command(name="save")
@click.option("--name", metavar="NAME", help="A name for it, beside its ID.")
@click.option(
    "--with",
    "extras",
    multiple=True,
    type=click.Choice(["manifests", "iteminfo"]),
    help="Read this of every service too: one more request for each (repeatable).",
)
@output_option()
@run_options
def save(common: Common, name: str | None, extras: tuple[str, ...]) -> int:
    """Read everything readable of the selected sites, and keep it as one snapshot.

    \b
    fleet snapshot save
    fleet snapshot save -s prod --name before-upgrade --with manifests

    Each piece is stored once by content: a second snapshot of the same state takes next to no room. What a release lacks
    is recorded as absent, and what could not be read as failed; such a site ends the command with status 1. Keys,
    passwords and tokens are left out.
    """
    from fleet.cli.run import run_on_sites
    from fleet.snapshots.store import Store
    from fleet.snapshots.taking import save as take

    store = Store()
    store.check_name(name)
    made: list[Kept | None] = []

    async def work(session: Session) -> Report:
        kept, report = await take(
            session.selection,
            store=store,
            name=name,
            extras=extras,
            told=common.selection,
            on_outcome=session.lines,
            stop=session.stop,
            progress=session.progress,
        )
        made.append(kept)
        return report

    return run_on_sites(common, work, lambda report: _write_saved(common, made[0], report))


def _write_saved(common: Common, kept: Kept | None, report: Report) -> None:
    from fleet.cli.run import say
    from fleet.cli.writing import write_report
    from fleet.render.columns import Terminal, plural
    from fleet.render.table import summary_lines

    if kept is None and not common.quiet:
        say("no snapshot was made: " + ("the run was stopped" if report.interrupted else "no site could be read"))
    made = ""
    if kept is not None:
        made = (
            f"snapshot {kept.id}{f' ({kept.name})' if kept.name else ''}: {plural(kept.pieces, 'piece')} of "
            f"{plural(kept.coverage['answered'], 'site')}, {_size(kept.written)} new"
        )

    def lines(report: Report, terminal: Terminal) -> list[str]:
        return [*([made, ""] if made else []), *summary_lines(report, terminal)]

    told = {**report.to_dict(), "merged": {"snapshot": None if kept is None else kept.to_dict()}}
    write_report(common, report, lines=lines, told=told, remarks=[made] if made and common.format == "html" else [])
    if kept is not None and not common.quiet and common.format != "table":
        say(f"snapshot {kept.id}")


@command.command(name="list")
@output_option()
@row_options
@SPEECH
def list_(**given: Any) -> int:
    """The snapshots that are kept, the oldest first, with what each covers.

    One that is damaged is told on standard error, and ends the command with status 1.

    \b
    fleet snapshot list -o csv
    """
    from fleet.snapshots.store import Store

    kept, damaged = Store().look()
    common = _common(**given)
    if common.format in ("json", "ndjson"):
        _write(common, [one.to_dict() for one in kept], ())
    else:
        _write(common, [_row(one, common.format == "table") for one in kept], COLUMNS)
    for sentence in damaged:
        click.echo(sentence, err=True)
    return 1 if damaged else 0


def _row(kept: Kept, brief: bool) -> dict[str, Any]:
    """*kept* as a row; times and sizes *brief* for people."""
    told = kept.to_dict()
    coverage = kept.coverage
    missing = ", ".join(f"{count} {name}" for name, count in coverage["missing"].items())
    return {
        **{name: told.get(name) for name in COLUMNS},
        "made": told["made"][:19].replace("T", " ") if brief else told["made"],
        "sites": f"{coverage['answered']} of {coverage['selected']}",
        "missing": missing,
        "written": _size(kept.written) if brief else kept.written,
    }


@command.command(name="show")
@click.argument("snapshot", shell_complete=completed_by("snapshots"))
@click.argument("site", required=False, shell_complete=completed_by("sites"))
@click.argument("path", required=False)
@click.option("--verify", is_flag=True, help="Read every byte of it, and compare it with its digest.")
@output_option()
@row_options
@SPEECH
def show(
    snapshot: str,
    site: str | None,
    path: str | None,
    verify: bool,
    **given: Any,
) -> int:
    """What SNAPSHOT holds: its sites; the pieces of SITE; or the pieces of SITE whose names begin with PATH.

    \b
    fleet snapshot show latest
    fleet snapshot show latest oslo
    fleet snapshot show 7d oslo services/definition/Planning/Roads.MapServer
    fleet snapshot show before-upgrade oslo 'system/*'

    One piece is printed as its JSON, several as an object of their names. Pieces that are absent or failed are told too.
    """
    from fleet.snapshots.store import Store

    store = Store()
    kept = store.find(snapshot)
    if verify:
        store.verify(kept)
    common = _common(**given)
    records = store.sites(kept)
    if site is None:
        rows = [
            {
                "site": name,
                "outcome": record.outcome,
                "release": record.release or "",
                "pieces": len(record.pieces),
                "absent": len(record.absent),
                "failed": len(record.failed),
                "message": (record.error or {}).get("message", ""),
            }
            for name, record in records.items()
        ]
        if common.format == "json":
            from fleet.render.plain import as_json

            click.echo(as_json({**kept.to_dict(), "sites": rows}))
        else:
            _write(common, rows, ())
            if common.format == "table" and not common.quiet:
                coverage = kept.coverage
                click.echo(f"{kept.id}: {coverage['answered']} of {coverage['selected']} sites", err=True)
        return 0
    if site not in records:
        raise UsageError(f"the snapshot {kept.id} holds no site {site!r}; fleet snapshot show {kept.id} lists them")
    if path is None:
        _write(common, _pieces(records[site]), ())
        return 0
    return _print_pieces(store, kept, site, records[site], path)


def _pieces(record: SiteRecord) -> list[dict[str, Any]]:
    """A row for each piece, whether it could be read or not."""
    rows = [{"piece": name, "state": "kept", "told": digest[:12]} for name, digest in record.pieces.items()]
    rows += [{"piece": name, "state": "absent", "told": why} for name, why in record.absent.items()]
    rows += [{"piece": name, "state": "failed", "told": why.get("message", "")} for name, why in record.failed.items()]
    return sorted(rows, key=lambda row: row["piece"])


def _print_pieces(store: Store, kept: Kept, site: str, record: SiteRecord, path: str) -> int:
    from fnmatch import fnmatchcase

    from fleet.render.plain import as_json

    wanted = path.strip("/")
    if wanted in record.pieces:
        click.echo(as_json(store.load(record.pieces[wanted])))
        return 0
    for why in (record.absent.get(wanted), (record.failed.get(wanted) or {}).get("message")):
        if why is not None:
            click.echo(f"{site} has no piece {wanted} in {kept.id}: {why}", err=True)
            return 1
    found = {
        name: store.load(digest)
        for name, digest in sorted(record.pieces.items())
        if name.startswith(f"{wanted}/") or fnmatchcase(name, wanted)
    }
    if not found:
        raise UsageError(
            f"{site} has no piece {wanted!r} in {kept.id}; fleet snapshot show {kept.id} {site} lists them"
        )
    click.echo(as_json(found))
    return 0


@command.command(name="prune")
@click.option("--keep", type=click.IntRange(0), metavar="N", help="Leave the newest N alone.")
@click.option("--older-than", type=DURATION, metavar="AGE", help="Remove only what is older, such as 30d.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be removed.")
@output_option()
@row_options
@SPEECH
def prune(
    keep: int | None,
    older_than: float | None,
    dry_run: bool,
    **given: Any,
) -> int:
    """Remove old snapshots, and what no other one needs.

    \b
    fleet snapshot prune --keep 30
    fleet snapshot prune --older-than 90d --keep 1 --dry-run

    With both, what is older goes, but the newest N stay. While a snapshot is being saved nothing is pruned: status 5.
    """
    from fleet.render.columns import plural
    from fleet.snapshots.store import Store

    pruned = Store().prune(keep=keep, older_than=older_than, dry_run=dry_run)
    common = _common(**given)
    if common.format == "json":
        from fleet.render.plain import as_json

        click.echo(
            as_json(
                {
                    "removed": [one.to_dict() for one in pruned.removed],
                    "kept": pruned.kept,
                    "freed": pruned.freed,
                    **({"dry_run": True} if dry_run else {}),
                }
            )
        )
        return 0
    if common.format == "ndjson":
        _write(common, [one.to_dict() for one in pruned.removed], ())
    else:
        _write(common, [_row(one, common.format == "table") for one in pruned.removed], COLUMNS)
    if not common.quiet:
        count = plural(len(pruned.removed), "snapshot")
        told = f"{count} would be removed" if dry_run else f"{count} removed, {_size(pruned.freed)} freed"
        click.echo(f"{told}, {pruned.kept} kept", err=True)
    return 0


@command.command(name="export")
@click.argument("places", nargs=-1, metavar="[SNAPSHOT] FOLDER", shell_complete=completed_by("snapshots"))
@SPEECH
def export(places: tuple[str, ...], quiet: bool) -> int:
    """Write SNAPSHOT into FOLDER as files for git: a folder per site, a JSON file per service and setting.

    \b
    fleet snapshot export config-of-the-fleet/
    fleet snapshot export before-upgrade config-of-the-fleet/

    Without SNAPSHOT it is the latest.

    Again over the same folder it writes what has changed, and removes what is gone. What could not be read stays as it
    was, and the site's _coverage.json says so. A folder that holds other things is refused.
    """
    from fleet.render.columns import plural
    from fleet.snapshots.export import export as write
    from fleet.snapshots.store import Store

    if not 1 <= len(places) <= 2:
        raise UsageError("name the folder to write into, and in front of it the snapshot, unless it is the latest")
    store = Store()
    done = write(store, store.find(places[0] if len(places) == 2 else "latest"), Path(places[-1]))
    if not quiet:
        click.echo(
            f"{plural(done.files, 'file')} of {plural(done.sites, 'site')}: {done.written} written, {done.removed} "
            f"removed{f', {done.stale} not read and left as they were' if done.stale else ''}",
            err=True,
        )
    return 0


def _common(*, columns: str | None, **given: Any) -> Common:
    names = tuple(part.strip() for part in (columns or "").split(",") if part.strip())
    return Common(columns=names, **given)


def _write(common: Common, found: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """*found* as rows in the format that was asked for."""
    from fleet.cli.writing import write_rows

    write_rows(common, found, title="snapshot", names=names or None)


def _size(count: int) -> str:
    """*count* bytes for people."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
