"""Secrets that don't render, references that say where one lies, and the look-up at the last moment."""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Literal, NoReturn

from fleet import platform
from fleet.errors import ConfigFailed
from fleet.inventory.helpers import COMMAND_LIMIT, CommandStopped, Helpers

__all__ = ["CredentialRef", "Secret", "SecretStore"]

SECRET_CAP = 64 * 1024
"""Bytes of a secret's file or command output that are looked at."""


class Secret:
    """A text that must not be seen: every rendering of it is `***`, and only `reveal` gives it away."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one layer that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(
            self._text.encode("utf-8", "surrogatepass"),
            other._text.encode("utf-8", "surrogatepass"),
        )

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not stored or sent")


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRef:
    """Where a secret lies, never the secret: a variable, a file, a key ring entry, or a command that prints it.

    `plain` is a text that the inventory holds in clear, which it must allow in so many words. `refusal` says why
    a command may not run, if it may not.
    """

    kind: Literal["env", "file", "keyring", "command", "plain"]
    where: str = ""
    arguments: tuple[str, ...] = ()
    plain: Secret | None = field(default=None, repr=False)
    user: str | None = None
    refusal: str | None = None

    def __str__(self) -> str:
        match self.kind:
            case "command":
                return f"command {self.arguments[0]}"
            case "plain":
                return "written in the inventory"
            case _:
                return f"{self.kind} {self.where}"


class SecretStore:
    """Looks references up, each once per run; safe to be called from several threads.

    *hidden* are variables that the inventory names as secrets: a secret command gets an environment without them, and
    without the program's own. It may run for *command_limit* seconds.
    """

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        hidden: Iterable[str] = (),
        command_limit: float = COMMAND_LIMIT,
    ) -> None:
        self._environment = os.environ if environment is None else environment
        self._hidden = frozenset(hidden)
        self._known: dict[CredentialRef, Secret | ConfigFailed] = {}
        self._helpers = Helpers(command_limit)
        # Held for a moment only. A look-up may take long, and has a lock of its own: others don't wait for it.
        self._lock = Lock()
        self._turns: dict[CredentialRef, Lock] = {}

    def cheap(self, ref: CredentialRef) -> bool:
        """Whether looking *ref* up needs no disk, process or service, or was already done."""
        return ref.kind in ("env", "plain") or ref in self._known

    def resolve(self, ref: CredentialRef) -> Secret:
        """The secret that *ref* names; raises `ConfigFailed` with a sentence that says what to do."""
        known = self._known.get(ref)
        if known is None:
            with self._lock:
                turn = self._turns.setdefault(ref, Lock())
            with turn:
                known = self._known.get(ref)
                if known is None:
                    try:
                        known = self._look_up(ref)
                    except CommandStopped:
                        raise
                    except ConfigFailed as error:
                        known = error
                    with self._lock:
                        self._known[ref] = known
        if isinstance(known, ConfigFailed):
            # A fresh one each time: the client writes the site's name and its attempts into the error.
            raise ConfigFailed(known.message, hint=known.hint)
        return known

    def known(self, ref: CredentialRef) -> Secret | None:
        """The secret that *ref* names, if it was looked up and found."""
        known = self._known.get(ref)
        return known if isinstance(known, Secret) else None

    def live_since(self, count: int) -> tuple[list[Secret], int]:
        """The secrets that were looked up after the first *count* look-ups, and how many look-ups there were by now."""
        with self._lock:
            later = list(islice(self._known.values(), count, None))
            return [secret for secret in later if isinstance(secret, Secret)], count + len(later)

    def stop(self) -> None:
        """End the secret commands that still run; whoever waits for one is told that it was ended."""
        self._helpers.stop()

    def _look_up(self, ref: CredentialRef) -> Secret:
        match ref.kind:
            case "env":
                return self._from_environment(ref.where)
            case "file":
                return self._from_file(Path(ref.where))
            case "keyring":
                return _from_keyring(ref.where, ref.user)
            case "command":
                return self._from_command(ref)
            case "plain":
                assert ref.plain is not None
                return ref.plain

    def _from_environment(self, name: str) -> Secret:
        text = self._environment.get(name)
        if not text:
            state = "is not set" if text is None else "is empty"
            raise ConfigFailed(
                f"the variable {name} {state}",
                hint=f"set {name} before you start fleet",
            )
        return Secret(text)

    def _from_file(self, path: Path) -> Secret:
        try:
            if not self._below_secret_folder(path) and not platform.is_private(path):
                raise ConfigFailed(
                    f"the secret file {path} can be read or written by others",
                    hint=f"make it yours alone: chmod 600 {path}",
                )
            if path.exists() and not path.is_file() and not path.is_dir():
                # A pipe that nobody writes would be waited for without an end.
                raise ConfigFailed(f"the secret file {path} is no file", hint="name a regular file")
            with path.open("rb") as file:
                data = file.read(SECRET_CAP + 1)
        except OSError as error:
            raise ConfigFailed(
                f"the secret file {path} can't be read: {error.strerror}",
                hint="check the path, and who may read it",
            ) from None
        return _text_of(data, f"the secret file {path}")

    def _below_secret_folder(self, path: Path) -> bool:
        """Below the folders that systemd and containers fill, the mode is theirs to choose."""
        folders = [Path("/run/secrets")]
        if given := self._environment.get("CREDENTIALS_DIRECTORY"):
            folders.append(Path(given))
        resolved = path.resolve()
        return any(resolved.is_relative_to(folder.resolve()) for folder in folders)

    def _from_command(self, ref: CredentialRef) -> Secret:
        if ref.refusal is not None:
            raise ConfigFailed(f"the secret command is not run: {ref.refusal}")
        environment = {
            key: value
            for key, value in self._environment.items()
            if key not in self._hidden and not key.upper().startswith("FLEET_")
        }
        printed = self._helpers.output(ref.arguments, environment, SECRET_CAP)
        return _text_of(printed, f"the secret command {ref.arguments[0]}")


def _text_of(data: bytes, source: str) -> Secret:
    """The text in *data* without its last newline."""
    if len(data) > SECRET_CAP:
        raise ConfigFailed(f"{source} gives more than {SECRET_CAP // 1024} KiB, which is no password")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigFailed(f"{source} gives no UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ConfigFailed(f"{source} gives nothing")
    return Secret(text)


def _from_keyring(service: str, user: str | None) -> Secret:
    if find_spec("keyring") is None:
        raise ConfigFailed(
            "the key ring needs an extra that is not installed",
            hint="install arcgis-fleet[keyring]",
        )
    try:
        # The import already loads the backend, which may be anybody's, and raises whatever it likes.
        import keyring

        text = keyring.get_password(service, user or "")
    except Exception as error:
        raise ConfigFailed(
            f"the key ring can't be opened ({type(error).__name__})",
            hint="use a variable or a file on machines without a key ring",
        ) from None
    if not text:
        raise ConfigFailed(
            f"the key ring has no password for {user or 'nobody'} under {service}",
            hint=f"store it: keyring set {service} {user or 'ACCOUNT'}",
        )
    return Secret(text)
