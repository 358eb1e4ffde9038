"""The audit log: who changed what, where, and what became of it, as lines of JSON that are only ever appended.

Before a change is sent its intent is written and made durable; a change whose intent can't be written is not sent. What
it came to is written the moment it is known. An intent without a result is a change whose fate was not recorded: the
program or the machine died in between.
"""

from __future__ import annotations

import errno
import getpass
import hashlib
import json
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

import anyio.to_thread

from fleet import places, platform
from fleet.admin.operation import Operation
from fleet.client.site import Answer, SiteClient
from fleet.errors import AuditFailed, SiteError
from fleet.outcome import outcome_of, timestamp
from fleet.protocol.envelope import parse_json
from fleet.protocol.secret_names import MASK, is_secret_name

__all__ = ["AuditLog", "Origin", "audit_file", "parameters_of", "read_audit", "without_secrets"]

SCHEMA = "fleet.audit/1"
NAME = "audit.jsonl"
TEXT_CAP = 65_536
"""Characters of one parameter, or of the JSON of one state, that are kept whole; of a longer one length and digest."""

_SECRET_NAME = re.compile(
    r"password|secret|token|sharedkey|trustkey|privatekey|accountkey|accesskey|credential", re.IGNORECASE
)
_SECRET_IN_TEXT = re.compile(
    r"""("[^"\\]*(?:password|secret|token|sharedkey|trustkey|privatekey|accountkey|accesskey)[^"\\]*"\s*:\s*)"(?:[^"\\]|\\.)*"|((?:password|pwd)\s*=\s*)[^;&"\s]+""",
    re.IGNORECASE,
)
_SECRET_IN_CONNECTION = re.compile(r"((?:^|;)[^=;]*(?:password|pwd|secret)[^=;]*=)[^;]+", re.IGNORECASE)
"""In a connection string a value ends at the next semicolon, whatever is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who changes something, from where, and by which command and selection; the same for all lines of one run."""

    user: str
    host: str
    command: str
    selection: str
    remote: str | None = None

    @classmethod
    def here(cls, command: str, selection: str) -> Origin:
        """This process: the account that runs it (and who it was before sudo), the machine, the SSH client."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError, ImportError):
            user = "unknown"
        before = os.environ.get("SUDO_USER")
        client = os.environ.get("SSH_CONNECTION", "").split(" ")[0]
        return cls(
            user=f"{before} as {user}" if before and before != user else user,
            host=socket.gethostname(),
            command=command,
            selection=selection,
            remote=client or None,
        )


def audit_file() -> Path:
    """Where the audit log lies: `audit.jsonl` in the state folder."""
    return places.state_folder() / NAME


class AuditLog:
    """The audit log, open for one run; a context manager. Raises `AuditFailed` where it can't be written.

    `mask` takes live secrets out of every text that came from elsewhere before it is written.
    """

    def __init__(self, path: Path, origin: Origin) -> None:
        self.mask: Callable[[str], str] = lambda text: text
        self._path = path
        self._origin = origin
        self._run = secrets.token_hex(8)
        self._lock = Lock()
        try:
            platform.secure_folder(path.parent, places.KEPT)
            self._descriptor = platform.open_private(path, append=True)
            self._torn = not _ends_with_line(path)
        except OSError as error:
            raise AuditFailed(self._sentence(error)) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            os.fsync(self._descriptor)
        os.close(self._descriptor)

    async def carry_out(self, client: SiteClient, operation: Operation[Any]) -> Answer[Any]:
        """Do the change *operation* on the site of *client*, with a record of its intent before and its result after.

        Where the state can be read and is as wanted already, nothing is sent and nothing recorded: `noop`. Raises the
        `SiteError` that the change came to, or the one that kept its state from being read when the site was not
        reached; and `AuditFailed`, with nothing sent, when the intent can't be written.
        """
        look = operation.read_back
        state: Any = None
        if look is not None:
            try:
                state = await client.call(look.look)
            except SiteError as error:
                if outcome_of(error) not in ("failed", "protocol"):
                    raise
            else:
                if look.whole and look.done(state):
                    return Answer(value=None, outcome="noop")
        record = self._record(client, operation, state)
        await anyio.to_thread.run_sync(self._intend, record)
        began = time.monotonic()
        try:
            answer = await client.ask(operation, looked=True)
        except SiteError as error:
            told = {"kind": error.kind, "message": self.mask(error.message), "code": error.code}
            self._ended(record, began, outcome_of(error), error=told, attempts=error.attempts)
            raise
        except BaseException:
            # Not awaited: whoever cancels must not lose the record. A change in flight may still take effect.
            self._ended(record, began, "cancelled" if client.change_in_flight is None else "unknown")
            raise
        self._ended(record, began, answer.outcome, verified=answer.verified, after=self._kept(answer.after))
        return answer

    def _record(self, client: SiteClient, operation: Operation[Any], state: Any) -> dict[str, Any]:
        origin = self._origin
        return {
            "schema": SCHEMA,
            "event": "intent",
            "at": timestamp(time.time()),
            "run": self._run,
            "user": origin.user,
            "host": origin.host,
            "pid": os.getpid(),
            **({} if origin.remote is None else {"remote": origin.remote}),
            "command": origin.command,
            "selection": origin.selection,
            "site": client.site.name,
            "url": client.site.url,
            "account": client.site.username,
            "operation": operation.name,
            "path": operation.path,
            "parameters": self._kept(parameters_of(operation)),
            "before": self._kept(state),
        }

    def _kept(self, value: Any) -> Any:
        """*value* as it may be kept: without what is secret by its name, without live secrets, and not too long."""
        return _limited(_each_text(without_secrets(value), self.mask))

    def _intend(self, record: Mapping[str, Any]) -> None:
        try:
            self._write(record)
            os.fsync(self._descriptor)
        except OSError as error:
            raise AuditFailed(self._sentence(error)) from None

    def _ended(self, record: Mapping[str, Any], began: float, outcome: str, **told: Any) -> None:
        """Write what a change came to. It is done: that this can't be written must not hide it from the report."""
        line = {**record, "event": "result", "at": timestamp(time.time()), "outcome": outcome}
        line |= {key: value for key, value in told.items() if value is not None}
        try:
            self._write({**line, "elapsed": round(time.monotonic() - began, 3)})
        except OSError:
            # The intent is on disk, and its missing result says that this one is to be looked at.
            return

    def _write(self, record: Mapping[str, Any]) -> None:
        text = json.dumps(record, separators=(",", ":"), ensure_ascii=True, default=str)
        data = text.encode("ascii") + b"\n"
        with self._lock:
            if self._torn:
                data = b"\n" + data
            # One write per line: lines of several processes that append don't run into each other.
            written = os.write(self._descriptor, data)
            self._torn = written < len(data)
        if self._torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _sentence(self, error: OSError) -> str:
        return (
            f"nothing is changed without a record, and the audit log {self._path} can't be written: "
            f"{error.strerror or error}"
        )


def _ends_with_line(path: Path) -> bool:
    """Whether the file is empty or its last line is whole."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        if not end:
            return True
        file.seek(end - 1)
        return file.read(1) == b"\n"


def parameters_of(operation: Operation[Any]) -> dict[str, str]:
    """The parameters of *operation* as they may be shown and kept: without what is secret by its name."""
    told = {
        key: MASK if key in operation.secrets or is_secret_name(key) else value
        for key, value in operation.parameters.items()
    }
    for key, content in operation.files.items():
        told[key] = f"{len(content)} bytes" if isinstance(content, bytes) else f"@{content}"
    shown: dict[str, str] = without_secrets(told)
    return shown


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        # In JSON inside of JSON a secret is escaped twice, and would not be found as it is.
        inside = _json_in(value)
        if inside is None:
            return change(value)
        return json.dumps(_each_text(inside, change), separators=(",", ":"), ensure_ascii=False)
    if isinstance(value, dict):
        return {key: _each_text(inner, change) for key, inner in value.items()}
    return [_each_text(inner, change) for inner in value] if isinstance(value, list) else value


def _json_in(text: str) -> Any:
    """The JSON object or list that *text* is; None for any other text."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        found, _ = parse_json(text.encode("utf-8", "surrogatepass"))
    except SiteError:
        return None
    return found if isinstance(found, dict | list) else None


def without_secrets(value: Any) -> Any:
    """*value* with everything masked that a name in it calls a secret, also in texts that hold JSON or connections."""
    if isinstance(value, Mapping):
        return {
            str(key): MASK if _SECRET_NAME.search(str(key)) and isinstance(inner, str) else without_secrets(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(inner) for inner in value]
    if isinstance(value, str):
        inside = _json_in(value)
        if inside is not None:
            return json.dumps(without_secrets(inside), separators=(",", ":"), ensure_ascii=False)
        value = _SECRET_IN_CONNECTION.sub(lambda match: f"{match[1]}{MASK}", value)
        return _SECRET_IN_TEXT.sub(lambda match: f'{match[1]}"{MASK}"' if match[1] else f"{match[2]}{MASK}", value)
    return value


def _limited(value: Any) -> Any:
    """*value*, or of a long one how long it is and its digest."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    if len(text) <= TEXT_CAP:
        return value
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    told = f"{len(text)} characters, sha256:{digest}"
    return told if isinstance(value, str) else {"left_out": told}


def read_audit(path: Path) -> Iterator[dict[str, Any]]:
    """The changes in the audit log, oldest first: of each its result, or its intent where no result was recorded.

    A line that is no record (torn by a full disk, say) is passed over. The file not being there is no change at all.
    """
    open_intents: dict[tuple[Any, ...], dict[str, Any]] = {}
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        for raw in file:
            try:
                record = json.loads(raw)
            except ValueError:
                continue
            if not isinstance(record, dict) or record.get("schema") != SCHEMA:
                continue
            key = tuple(str(record.get(name)) for name in ("run", "site", "operation", "path", "parameters"))
            if record.get("event") == "intent":
                open_intents[key] = record
                continue
            open_intents.pop(key, None)
            yield record
    yield from open_intents.values()
