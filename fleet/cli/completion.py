"""`fleet completion`: the script that makes a shell complete commands, options and their values."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command(name="completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish", "powershell"]))
def command(shell: str) -> int:
    """Print the script with which SHELL completes commands, options, sites, groups, labels, paths and parameters.

    \b
    bash:        fleet completion bash > ~/.local/share/bash-completion/completions/fleet
    zsh:         fleet completion zsh > "${fpath[1]}/_fleet"
    fish:        fleet completion fish > ~/.config/fish/completions/fleet.fish
    powershell:  fleet completion powershell >> $PROFILE
    """
    from click.shell_completion import get_completion_class

    from fleet.cli import completing  # noqa: F401  (it makes our own script for bash known)
    from fleet.cli.main import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this version of click completes nothing in {shell}")
    click.echo(kind(cli, {}, "fleet", "_FLEET_COMPLETE").source())
    return 0
