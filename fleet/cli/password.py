"""Where a new password comes from: a prompt, a variable, or a file; never the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.errors import UsageError

if TYPE_CHECKING:
    from fleet.inventory.secrets import CredentialRef

__all__ = ["password_from", "password_option"]

SOURCES = "prompt, env:NAME or file:PATH"

password_option = click.option(
    "--password-from", metavar="SOURCE", help=f"Where the new password comes from: {SOURCES}; never written here."
)


def password_from(source: str | None) -> CredentialRef | None:
    """The reference in *source*; a prompt is asked at once, twice. Raises `UsageError` for anything else.

    What was written is not repeated: it may be the password itself.
    """
    from fleet.cli.asking import can_ask
    from fleet.inventory.secrets import CredentialRef, Secret

    if source is None:
        return None
    kind, _, where = source.partition(":")
    if source == "prompt":
        if not can_ask():
            raise UsageError("there is no terminal to ask for the password on: use env:NAME or file:PATH")
        text = click.prompt("New password", hide_input=True, confirmation_prompt=True, err=True)
        return CredentialRef(kind="plain", plain=Secret(text))
    if kind == "env" and where:
        return CredentialRef(kind="env", where=where)
    if kind == "file" and where:
        return CredentialRef(kind="file", where=str(Path(where).expanduser().absolute()))
    raise UsageError(f"--password-from takes {SOURCES}, and never a password")
