"""A secret that is about to take another's place: kept beside it, durably, before it is used, then moved into its place.

`REF.next` of a file is the file of that name beside it; of a key ring entry it is the service of that name.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fleet import platform
from fleet.errors import ConfigFailed
from fleet.inventory.secrets import CredentialRef, Secret, SecretStore

__all__ = ["NextSecret"]

SUFFIX = ".next"


class NextSecret:
    """What comes after the secret that *ref* names, a file or an entry of the key ring; raises `ConfigFailed`."""

    def __init__(self, ref: CredentialRef) -> None:
        if ref.kind not in ("file", "keyring"):
            source = {"env": "a variable", "command": "a command", "plain": "the inventory itself"}[ref.kind]
            raise ConfigFailed(
                f"its password comes from {source}, where no new one can be kept",
                hint='only { file = "PATH" } and { keyring = "SERVICE" } can be given a new password',
            )
        self.ref = ref
        self._file = None if ref.kind == "keyring" else Path(ref.where).resolve()

    def __str__(self) -> str:
        return f"{self.ref.kind} {self.ref.where}{SUFFIX}"

    @property
    def path(self) -> Path | None:
        """The file of the next secret; None in a key ring."""
        return None if self._file is None else self._file.with_name(self._file.name + SUFFIX)

    def check(self) -> None:
        """Raise `ConfigFailed` where nothing can be written beside the secret."""
        if self._file is None:
            if find_spec("keyring") is None:
                raise ConfigFailed(
                    "the key ring needs an extra that is not installed", hint="install arcgis-fleet[keyring]"
                )
            return
        if not os.access(self._file.parent, os.W_OK | os.X_OK):
            raise ConfigFailed(
                f"nothing can be written beside the secret file {self._file}",
                hint="a folder that only you can write is the place for a password that changes",
            )

    def current(self) -> Secret:
        """The present secret, read anew; raises `ConfigFailed`."""
        return SecretStore().resolve(self.ref)

    def read(self) -> Secret | None:
        """The next secret that an earlier run has kept; None where there is none."""
        path = self.path
        if path is not None:
            if not path.exists():
                return None
            return SecretStore().resolve(CredentialRef(kind="file", where=str(path)))
        text = self._ring(lambda keyring: keyring.get_password(self.ref.where + SUFFIX, self.ref.user or ""))
        return Secret(text) if text else None

    def write(self, secret: Secret) -> None:
        """Keep *secret* as the next one: whole or not at all, and durable when this returns."""
        path = self.path
        if path is None:
            self._ring(
                lambda keyring: keyring.set_password(self.ref.where + SUFFIX, self.ref.user or "", secret.reveal())
            )
            return
        draft = path.with_name(path.name + ".part")
        try:
            # What a run that was killed has left half written was never used.
            draft.unlink(missing_ok=True)
            with os.fdopen(platform.open_private(draft), "wb") as file:
                file.write(secret.reveal().encode("utf-8") + b"\n")
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
            platform.sync_folder(path.parent)
        except OSError as error:
            raise ConfigFailed(f"the next password can't be kept in {path}: {error.strerror or error}") from None

    def promote(self, secret: Secret) -> None:
        """Let *secret*, which is the next one, take the place of the present one."""
        path = self.path
        if path is not None:
            assert self._file is not None
            try:
                path.replace(self._file)
                platform.sync_folder(path.parent)
            except OSError as error:
                raise ConfigFailed(f"{path} can't take the place of {self._file}: {error.strerror or error}") from None
            return

        def move(keyring: Any) -> None:
            keyring.set_password(self.ref.where, self.ref.user or "", secret.reveal())
            keyring.delete_password(self.ref.where + SUFFIX, self.ref.user or "")

        self._ring(move)

    def _ring(self, work: Callable[[Any], Any]) -> Any:
        """What *work* with the key ring comes to; its back end may be anybody's, and raises whatever it likes."""
        try:
            import keyring

            return work(keyring)
        except Exception as error:
            raise ConfigFailed(
                f"the key ring entry {self.ref.where}{SUFFIX} can't be used ({type(error).__name__})",
                hint="open the key ring, and try again",
            ) from None
