"""The group of all commands, each loaded only when it is called, and what happens to the errors of any of them."""

from __future__ import annotations

import difflib
import errno
import os
import sys
from importlib import import_module

import click

from fleet._version import __version__
from fleet.cli.streams import prepare, silence
from fleet.errors import FleetError, LockHeld, UsageError

__all__ = ["cli", "run"]

COMMANDS = {
    "audit": ("fleet.cli.audit", "Show who changed what, where, and what became of it."),
    "call": ("fleet.cli.call", "Call any admin or REST path on the selected sites and merge the answers."),
    "certificates": ("fleet.cli.certificates", "List certificates with their days left; import and switch them."),
    "completion": ("fleet.cli.completion", "Print the completion script for a shell."),
    "diff": ("fleet.cli.diff", "Tell what differs between sites, or from a snapshot, by service and property."),
    "datastores": ("fleet.cli.datastores", "List, check, register and repoint data stores."),
    "health": ("fleet.cli.health", "Tell the health of every selected site, and what to do about it."),
    "init": ("fleet.cli.init", "Make an inventory.toml: ask for a site and an account, and test them."),
    "inventory": ("fleet.cli.inventory", "List, show, check and draw the inventory."),
    "logs": ("fleet.cli.records", "Query, follow and count the log records of all sites as one log."),
    "licenses": ("fleet.cli.licenses", "Show what each site is licensed for, and until when."),
    "machines": ("fleet.cli.machines", "List, start, stop, restart and set machines."),
    "security": ("fleet.cli.security", "Audit settings; users, roles, tokens and the primary administrator."),
    "services": ("fleet.cli.services", "List, start, stop and change services."),
    "sql": ("fleet.cli.sql", "Ask all selected sites in SQL."),
    "operations": ("fleet.cli.operations", "List the operations of the API, and explain one."),
    "simulate": ("fleet.cli.simulate", "Run local ArcGIS Server sites that speak the real wire protocol."),
    "snapshot": ("fleet.cli.snapshot", "Keep what the sites hold: save, list, show, export and prune snapshots."),
    "uploads": ("fleet.cli.uploads", "List and delete files that were uploaded to sites."),
    "site": ("fleet.cli.site", "Information, mode, exports, before and after an upgrade."),
    "system": ("fleet.cli.system", "Directories, configuration store, web adaptors, properties, cache and jobs."),
    "usage": ("fleet.cli.usage", "Requests per service and day, idle services, slow services."),
}


LOST = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""What writing to a stream comes to where the disk below it is full, or it was not opened for writing."""


class Lazy(click.Group):
    """A group whose commands are imported when they are called; help needs their names and one line each only."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            raise click.UsageError(f"there is no command {args[0]!r}" + (f"; did you mean {near[0]}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in sorted(COMMANDS.items())])


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fleet", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Administer many ArcGIS Server sites at once.

    \b
    fleet simulate --sites 25          local sites to try things on
    fleet health                       the state of every site in inventory.toml
    fleet call admin/info -s prod      one question to many sites, one merged answer
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        ctx.color = False


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit status. No error of ours shows a traceback unless `FLEET_DEBUG` is set."""
    if sys.stdout is sys.__stdout__ and sys.stderr is sys.__stderr__:
        prepare()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            encoding = "utf-8" if sys.platform == "win32" else stream.encoding
            stream.reconfigure(encoding=encoding, errors="backslashreplace")
    stdout = sys.stdout
    if "_FLEET_COMPLETE" in os.environ:
        from fleet.cli import completing  # noqa: F401  (it makes our own script for bash known)
    try:
        status = cli.main(args=arguments, prog_name="fleet", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except click.exceptions.Abort:
        _say("stopped")
        return 130
    except KeyboardInterrupt:
        return 130
    except click.ClickException as error:
        error.show(sys.stderr)
        return 2
    except UsageError as error:
        _say(str(error))
        return 2
    except LockHeld as error:
        _say(str(error))
        return 5
    except FleetError as error:
        _say(str(error))
        return 1
    except SystemExit as end:
        # The library for command lines puts another stream in place when nobody reads standard output any more.
        if sys.stdout is not stdout:
            silence()
            return 141
        return end.code if isinstance(end.code, int) else 1
    except OSError as error:
        if error.errno == errno.EPIPE:
            silence()
            return 141
        if error.errno in LOST and error.filename is None:
            silence()
            _say(f"standard output can't be written: {(error.strerror or type(error).__name__).lower()}")
            return 1
        if os.environ.get("FLEET_DEBUG"):
            raise
        place = f" ({error.filename})" if error.filename else ""
        _say(f"{error.strerror or type(error).__name__}{place}")
        return 1


def _say(text: str) -> None:
    """*text* on standard error, with the controls of foreign text shown as escapes."""
    from fleet.render.clean import one_line

    for line in text.splitlines():
        click.echo(one_line(line, 1000), err=True)
