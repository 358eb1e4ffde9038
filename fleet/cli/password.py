"""Where a secret that a command needs comes from: a prompt, a variable, or a file; never the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.errors import UsageError

if TYPE_CHECKING:
    from fleet.inventory.secrets import CredentialRef, Secret

__all__ = ["SOURCES", "password_from", "password_option", "secret_from"]

SOURCES = "prompt, env:NAME or file:PATH"

password_option = click.option(
    "--password-from", metavar="SOURCE", help=f"Where the new password comes from: {SOURCES}; never written here."
)


def password_from(source: str | None, prompt: str = "New password", *, again: bool = True) -> CredentialRef | None:
    """The reference in *source*; a prompt is asked at once, twice with *again*. Raises `UsageError` for anything else.

    What was written is not repeated: it may be the password itself.
    """
    from fleet.cli.asking import can_ask
    from fleet.inventory.secrets import CredentialRef, Secret

    if source is None:
        return None
    kind, _, where = source.partition(":")
    if source == "prompt":
        if not can_ask():
            raise UsageError(f"there is no terminal to ask on ({prompt}): use env:NAME or file:PATH")
        text = click.prompt(prompt, hide_input=True, confirmation_prompt=again, err=True)
        return CredentialRef(kind="plain", plain=Secret(text))
    if kind == "env" and where:
        return CredentialRef(kind="env", where=where)
    if kind == "file" and where:
        return CredentialRef(kind="file", where=str(Path(where).expanduser().absolute()))
    raise UsageError(f"a secret comes from {SOURCES}, and is never written itself")


def secret_from(source: str, prompt: str = "New password", *, again: bool = True) -> Secret:
    """The secret in *source*, looked up at once; raises `UsageError` also where it can't be had."""
    from fleet.errors import ConfigFailed
    from fleet.inventory.secrets import SecretStore

    reference = password_from(source, prompt, again=again)
    assert reference is not None
    try:
        return SecretStore().resolve(reference)
    except ConfigFailed as error:
        raise UsageError(f"{error.message}; {error.hint}" if error.hint else error.message) from None
