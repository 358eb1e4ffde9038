"""Secrets that a command needs beside those of the inventory: from a variable, a file, or a prompt, never an argument."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.asking import can_ask
from fleet.errors import ConfigFailed, UsageError

if TYPE_CHECKING:
    from fleet.inventory.secrets import Secret

__all__ = ["given_secret", "secret_options"]


def secret_options(what: str, name: str = "password") -> Callable[[Any], Any]:
    """`--NAME-env` and `--NAME-file`; the function gets `NAME_env` and `NAME_file` for `given_secret`."""

    def options(function: Any) -> Any:
        function = click.option(
            f"--{name}-file", type=click.Path(path_type=Path), metavar="PATH", help=f"File with {what}, yours alone."
        )(function)
        return click.option(f"--{name}-env", metavar="NAME", help=f"Variable with {what}; else it is asked for.")(
            function
        )

    return options


def given_secret(env: str | None, file: Path | None, prompt: str) -> Secret:
    """The secret in the variable *env*, in *file*, or typed at *prompt*; raises `UsageError`."""
    from fleet.inventory.secrets import CredentialRef, Secret, SecretStore

    if env is not None and file is not None:
        raise UsageError("a secret comes from a variable or from a file, not from both")
    if env is None and file is None:
        if not can_ask():
            raise UsageError(f"there is no terminal to ask on ({prompt}): name a variable or a file that holds it")
        return Secret(click.prompt(prompt, hide_input=True, err=True))
    ref = CredentialRef(kind="env", where=env) if env is not None else CredentialRef(kind="file", where=str(file))
    try:
        return SecretStore().resolve(ref)
    except ConfigFailed as error:
        raise UsageError(f"{error.message}; {error.hint}" if error.hint else error.message) from None
