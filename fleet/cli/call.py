"""`fleet call`: any path on the selected sites, with each client's login."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.asking import can_ask, confirm_change
from fleet.cli.common import Common, completed_by, output_option, run_options
from fleet.cli.leasing import leased_urls
from fleet.errors import AuditFailed, UsageError

if TYPE_CHECKING:
    from fleet.admin.catalogue import Entry
    from fleet.admin.operation import Operation
    from fleet.audit import AuditLog
    from fleet.cli.run import Session
    from fleet.client.site import Answer, SiteClient
    from fleet.fanout.engine import Work
    from fleet.fanout.fleet import Fleet, Selection
    from fleet.fanout.leases import Lease
    from fleet.inventory.model import Site
    from fleet.report import Report

__all__ = ["command"]


def _parameters(pairs: tuple[str, ...], entry: Entry | None) -> tuple[dict[str, str], dict[str, Path | bytes]]:
    """The parameters in `k=v` and `k=@file`, and apart from them those that are files of a multipart body.

    Raises `UsageError` with the one that is neither, or can't be read.
    """
    from fleet.admin.checking import is_file, known_names

    found: dict[str, str] = {}
    files: dict[str, Path | bytes] = {}
    wanted = {one.name.lower(): one.name for one in entry.params if is_file(one)} if entry is not None else {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"a parameter is written KEY=VALUE, and {pair[:40]!r} is not")
        if key.lower() in wanted:
            files[wanted[key.lower()]] = _file(key, value)
            continue
        if value.startswith("@"):
            try:
                value = Path(value[1:]).read_text(encoding="utf-8").rstrip("\n")
            except OSError as error:
                raise UsageError(f"the file {value[1:]} can't be read: {error.strerror}") from None
            except UnicodeDecodeError:
                raise UsageError(f"the file {value[1:]} is not UTF-8 text") from None
        found[key] = value
    for key in found:
        if key.lower() == "token":
            raise UsageError("fleet signs in by itself: a token is not given as a parameter")
    return (found if entry is None else known_names(entry, found)), files


def _file(key: str, value: str) -> Path:
    """The file that *value* names; raises `UsageError` where it can't be read, or is too large."""
    from fleet.protocol.message import FILE_CAP

    if not value.startswith("@"):
        raise UsageError(f"{key} is a file: write -p {key}=@PATH")
    path = Path(value[1:])
    try:
        with path.open("rb"):
            size = path.stat().st_size
    except OSError as error:
        raise UsageError(f"the file {path} can't be read: {error.strerror}") from None
    if size > FILE_CAP:
        raise UsageError(f"the file {path} passes {FILE_CAP >> 30} GiB")
    return path


@click.command(name="call")
@click.argument("path", shell_complete=completed_by("paths"))
@click.option(
    "-p",
    "--parameter",
    multiple=True,
    metavar="K=V",
    shell_complete=completed_by("parameters"),
    help="A parameter; K=@FILE takes the file's text, or sends the file where one is wanted.",
)
@click.option("--method", type=click.Choice(["GET", "POST"]), help="The catalogue's, else GET.")
@click.option("--change", is_flag=True, help="This changes the sites, and I know it.")
@click.option(
    "--merge",
    type=click.Choice(["union", "group", "diff", "matrix", "stats"]),
    default="group",
    show_default=True,
    help="How the answers become one.",
)
@click.option(
    "--baseline",
    metavar="SITE",
    shell_complete=completed_by("sites"),
    help="The site that group and diff compare with (default: the majority).",
)
@click.option("--trace", is_flag=True, help="Show each request and answer on standard error, secrets masked.")
@click.option(
    "--force",
    is_flag=True,
    help="Send it although the catalogue says that a release lacks it, or that a parameter is wrong.",
)
@click.option("--dry-run", is_flag=True, help="Only read, and tell what a change would do.")
@click.option("--yes", is_flag=True, help="Don't ask before a change.")
@click.option(
    "--confirm",
    multiple=True,
    metavar="SITE",
    shell_complete=completed_by("sites"),
    help="Change this protected site too (repeatable).",
)
@output_option()
@run_options
def command(common: Common, **given: Any) -> int:
    """Call PATH below the base URL of every selected site, and merge the answers.

    With portal:PATH the portals that the inventory names for these sites are called, each once, and sites that share
    one share its answer.

    \b
    fleet call admin/info
    fleet call rest/info -s 'prod and not emea' --query fullVersion
    fleet call admin/logs/query -p level=SEVERE --merge union -o csv
    fleet call admin/mode/update -p siteMode=READ_ONLY --change -s test --dry-run
    fleet call portal:portaladmin/federation/servers --merge union
    """
    from fleet.admin.catalogue import catalogue, operation_for
    from fleet.cli.run import run_on_sites

    portal, path = given["path"].startswith("portal:"), given["path"].removeprefix("portal:")
    if not path.strip("/"):
        raise UsageError("PATH is empty; give one such as admin/info, or portal:portaladmin/federation/servers")
    if "://" in path:
        raise UsageError("PATH is below the site's base URL, such as admin/info or rest/services")
    _, entry = operation_for(path, method=given["method"], portal=portal)
    parameters, files = _parameters(given["parameter"], entry)
    operation, entry = operation_for(path, method=given["method"], parameters=parameters, files=files, portal=portal)
    if entry is None and given["method"] == "GET":
        known = catalogue().find(operation.path, "POST", portal=portal)
        if known is not None and known.effect != "read":
            raise UsageError(f"{known.name} is a change, which is sent as POST")
    if operation.method == "GET" and operation.secrets:
        raise UsageError("a secret parameter is never part of an address: give --method POST")
    if entry is not None and not given["force"]:
        _check_parameters(entry, operation, quiet=common.quiet)
    if entry is not None and entry.since_uncertain and not common.quiet:
        told = f"{entry.name} is said to have come with release {entry.since}, which is not certain"
        click.echo(f"{told}: a site without it says that it has no such operation", err=True)
    if operation.changes:
        _check_change(common, operation, given)
    elif given["dry_run"]:
        raise UsageError("--dry-run is for changes, and this is a read")

    def carried_out(audit: AuditLog | None, allowed: set[str]) -> Callable[[Session], Awaitable[Report]]:
        async def work(session: Session) -> Report:
            urls = {} if audit is None else _changed(session.selection.sites, allowed, portal=portal)
            async with leased_urls("call", urls) as leases:
                each = _work(operation, None if portal else entry, given, allowed, audit, leases)
                return await session.selection.run(
                    _on_portals(session.selection, each, spare=audit is not None, allowed=allowed) if portal else each,
                    merge=None if session.lines is not None or operation.changes else given["merge"],
                    baseline=given["baseline"],
                    query=common.query,
                    on_outcome=session.lines,
                    keep=session.lines is None,
                    stop=session.stop,
                    progress=session.progress,
                    dry_run=given["dry_run"],
                )

        return work

    if not operation.changes or given["dry_run"]:
        return run_on_sites(common, carried_out(None, set()), partial(_write, common), trace=given["trace"])

    allowed: set[str] = set()
    with _open_audit(common) as audit:

        def before(fleet: Fleet, selection: Selection) -> None:
            allowed.update(confirm_change(operation, selection.sites, named=given["confirm"], yes=given["yes"]))
            audit.mask = fleet.clients.masked

        return run_on_sites(
            common,
            carried_out(audit, allowed),
            partial(_write, common),
            trace=given["trace"],
            changes=True,
            before=before,
        )


def _changed(sites: Sequence[Site], allowed: set[str], *, portal: bool) -> dict[str, str]:
    """Name -> URL of those of *sites* that are changed; with *portal* of their portals, each by the first site's name."""
    meant = [site for site in sites if not site.protected or site.name in allowed]
    if not portal:
        return {site.name: site.url for site in meant}
    return {site.name: site.auth.portal for site in meant if site.auth.portal is not None}


def _open_audit(common: Common) -> AuditLog:
    """The audit log for this run; raises `UsageError` where it can't be written, since then nothing is changed."""
    from fleet.audit import AuditLog, Origin, audit_file

    try:
        return AuditLog(audit_file(), Origin.here("call", common.selection))
    except AuditFailed as error:
        raise UsageError(str(error)) from None


def _check_parameters(entry: Entry, operation: Operation[Any], *, quiet: bool) -> None:
    """What the catalogue has against *operation*, told before anything is sent; an unknown name of a read only warns."""
    from fleet.admin.checking import is_file, unknown_names, wrong_values

    given = {*operation.parameters, *operation.files}
    missing = [one.name for one in entry.params if one.required and one.name not in given]
    wrong = wrong_values(entry, operation.parameters)
    unknown = unknown_names(entry, given)
    if missing:
        file = any(is_file(one) and one.name == missing[0] for one in entry.params)
        wrong.insert(0, f"{entry.name} needs {', '.join(missing)}: give -p {missing[0]}={'@PATH' if file else '…'}")
    if operation.changes:
        wrong += unknown
        if entry.guessed:
            wrong.append(f"the shape of {entry.name} is a guess that nobody has confirmed")
    if wrong:
        raise UsageError("\n".join([*wrong[:-1], f"{wrong[-1]} (--force sends it anyway)"]))
    for told in [] if quiet else unknown:
        click.echo(told, err=True)


def _check_change(common: Common, operation: Operation[Any], given: dict[str, Any]) -> None:
    """What a change needs before anything is sent."""
    if not given["change"]:
        raise UsageError(f"{operation.name} changes the sites: give --change if you mean it")
    if common.select is None:
        raise UsageError("a change needs -s, also for all sites: -s all")
    if given["dry_run"] or given["yes"]:
        return
    if not can_ask():
        raise UsageError("there is no terminal to ask on: give --yes to go ahead without being asked")


def _work(
    operation: Operation[Any],
    entry: Any,
    given: dict[str, Any],
    allowed: set[str],
    audit: AuditLog | None,
    leases: Mapping[str, Lease],
) -> Any:
    """What is done on each site; of protected ones only those in *allowed* are changed."""
    from fleet import admin as ops
    from fleet.errors import NotFound
    from fleet.fanout.engine import Skipped
    from fleet.fanout.leases import check_lease
    from fleet.protocol.release import Release

    oldest = Release((10, 1, 0))
    judged = entry is not None and not given["force"]
    # A change is not sent to a site that lacks it. Of a read the site's own 404 is explained, unless it came so late
    # that many sites lack it: to ask each for its release first would double the requests.
    before = judged and entry.missing_in(oldest if operation.changes else Release((10, 8, 1)))

    async def lacking(client: SiteClient) -> NotFound | None:
        if client.release is None:
            await client.call(ops.info.rest())
        if client.release is None or not entry.missing_in(client.release):
            return None
        return NotFound(
            f"release {client.release} has no {entry.name}, which came with {entry.since}",
            hint="--force sends it anyway",
            may_have_arrived=False,
        )

    async def work(client: SiteClient) -> Answer[Any]:
        if before and (refusal := await lacking(client)) is not None:
            raise refusal
        if given["dry_run"]:
            return await client.preview(operation)
        if audit is None:
            client.finishing = not (judged and entry.missing_in(oldest))
            try:
                return await client.ask(operation)
            except NotFound:
                if client.finishing or (refusal := await lacking(client)) is None:
                    raise
                raise refusal from None
        if client.site.protected and client.site.name not in allowed:
            raise Skipped("it is protected: give --confirm and its name to change it too")
        check_lease(leases, client.site.name)
        try:
            return await audit.carry_out(client, operation)
        except AuditFailed as error:
            raise Skipped(str(error)) from None

    return work


def _on_portals(selection: Selection, each: Work, *, spare: bool, allowed: set[str]) -> Work:
    """What is done on the portals of *selection*, once on each.

    With *spare* one that a protected site shares is left alone, unless every such site is in *allowed*.
    """
    from fleet.fanout.engine import Skipped

    spared: dict[str | None, list[str]] = {}
    for site in selection.sites:
        if spare and site.protected and site.name not in allowed and site.auth.portal is not None:
            spared.setdefault(site.auth.portal, []).append(site.name)
    shared = selection.portals(each)

    async def work(client: SiteClient) -> Any:
        if names := spared.get(client.site.auth.portal):
            raise Skipped(f"its portal is that of {', '.join(names)} too, which is protected: name it with --confirm")
        return await shared(client)

    return work


def _write(common: Common, report: Report) -> None:
    """The report in the format that was asked for; groups are rows only if they were asked for."""
    from fleet.cli.writing import write_report
    from fleet.render.folding import is_union
    from fleet.render.plain import rows_of
    from fleet.render.table import report_lines

    source = click.get_current_context().get_parameter_source("merge")
    asked_for = source is click.core.ParameterSource.COMMANDLINE and common.format != "table"
    rows = None if is_union(report) else partial(rows_of, groups=asked_for)
    write_report(common, report, rows=rows, lines=report_lines)
