"""A snapshot as files that git likes: one folder per site, one JSON file per service and setting, the same each time."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet import platform
from fleet.errors import StoreFailed, UsageError
from fleet.snapshots.filenames import file_names
from fleet.snapshots.records import Kept, SiteRecord
from fleet.snapshots.store import Store

__all__ = ["Exported", "export"]

MARKER = ".fleet-export.json"
SCHEMA = "fleet.export/1"
COVERAGE = "_coverage.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export came to: its sites and files, and how many of these were written, removed, or are older.

    `stale` counts files of pieces that this snapshot could not read: they are as an earlier export left them.
    """

    sites: int
    files: int
    written: int
    removed: int
    stale: int


def export(store: Store, kept: Kept, folder: Path) -> Exported:
    """Write the snapshot *kept* into *folder*; what an earlier export wrote there and is gone meanwhile is removed.

    Each file is replaced as a whole. What the snapshot could not read stays as it was, and the site's `_coverage.json`
    says so. Raises `UsageError` for a folder with other things in it, and `StoreFailed` for a disk that is full, say.
    """
    try:
        return _Export(store, folder).run(kept)
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        raise StoreFailed(
            f"the export into {folder} was broken off: {(error.strerror or type(error).__name__).lower()}{place}; "
            "every file in it is whole, and doing it again goes on"
        ) from None


class _Export:
    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._made: set[Path] = set()

    def run(self, kept: Kept) -> Exported:
        self._folder.mkdir(parents=True, exist_ok=True)
        before = self._before()
        records = self._store.sites(kept)
        planned: dict[str, Content] = {}
        unread: set[str] = set()
        for site, folder in file_names(records).items():
            files, begins = _files_of(records[site])
            planned |= {f"{folder}/{name}": content for name, content in files.items()}
            unread |= {f"{folder}/{begin}" for begin in begins}
        stale = {
            name
            for name in before.keys() - planned.keys()
            if any(name == begin or (begin.endswith("/") and name.startswith(begin)) for begin in unread)
        }
        # What a run that is broken off leaves behind is known to be ours before it is there.
        self._mark({**dict.fromkeys(planned, ""), **before})
        files_now = {name: before[name] for name in stale}
        written = 0
        for name, content in planned.items():
            data = _text(content(self._store))
            files_now[name] = digest = hashlib.sha256(data).hexdigest()
            if before.get(name) != digest or not self._is_so(name, digest):
                self._write(name, data)
                written += 1
        removed = sum(self._remove(name) for name in sorted(before.keys() - files_now.keys()))
        self._mark(files_now)
        return Exported(sites=len(records), files=len(files_now), written=written, removed=removed, stale=len(stale))

    def _before(self) -> dict[str, str]:
        """The files that an earlier export made; raises `UsageError` where the folder is not one of ours."""
        marker = self._folder / MARKER
        if marker.is_symlink() or not marker.exists():
            if any(entry.name != ".git" for entry in self._folder.iterdir()):
                raise UsageError(f"{self._folder} holds things that no export made; name a new or an empty folder")
            return {}
        try:
            told = json.loads(marker.read_bytes())
            files = told["files"]
            if told["schema"] != SCHEMA or not all(_is_below(name) for name in files):
                raise ValueError
        except (ValueError, KeyError, TypeError):
            raise UsageError(f"{marker} is not what an export writes; name a new or an empty folder") from None
        return dict(files)

    def _mark(self, files: Mapping[str, str]) -> None:
        told = {"schema": SCHEMA, "files": dict(sorted(files.items()))}
        self._write(MARKER, _text(told), sync=True)

    def _is_so(self, name: str, digest: str) -> bool:
        path = self._folder / name
        return path.is_file() and not path.is_symlink() and hashlib.sha256(path.read_bytes()).hexdigest() == digest

    def _write(self, name: str, data: bytes, *, sync: bool = False) -> None:
        path = self._folder / name
        self._ready(path.parent)
        draft = path.with_name(f".{secrets.token_hex(8)}.draft")
        try:
            with os.fdopen(platform.open_private(draft), "wb") as file:
                file.write(data)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def _ready(self, folder: Path) -> None:
        """Make *folder* below the export, and refuse to go through a link that somebody has put there."""
        if folder in self._made or folder == self._folder:
            return
        self._ready(folder.parent)
        if folder.is_symlink():
            raise UsageError(f"{folder} is a link; an export writes to folders of its own only")
        folder.mkdir(exist_ok=True)
        self._made.add(folder)

    def _remove(self, name: str) -> int:
        """Remove a file that an earlier export made, and the folders that are empty then."""
        path = self._folder / name
        if any(parent.is_symlink() for parent in path.parents if parent.is_relative_to(self._folder)):
            return 0
        path.unlink(missing_ok=True)
        for parent in path.parents:
            if parent == self._folder:
                break
            try:
                parent.rmdir()
            except OSError:
                break
        return 1


def _is_below(name: Any) -> bool:
    """Whether *name* is a path below the folder, as an export writes it."""
    parts = name.split("/") if isinstance(name, str) else []
    return len(parts) > 1 and all(
        part not in ("", ".", "..") and "\\" not in part and ":" not in part for part in parts
    )


def _text(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


Content = Callable[[Store], Any]
"""What stands in one file, put together when it is written."""


def _files_of(record: SiteRecord) -> tuple[dict[str, Content], set[str]]:
    """The files of one site by path, and the paths, or begins of paths that end in a slash, that could not be read."""
    told = {
        "outcome": record.outcome,
        "error": record.error,
        "release": record.release,
        "absent": record.absent,
        "failed": record.failed,
    }
    files: dict[str, Content] = {COVERAGE: lambda store: told}
    if not record.pieces:
        return files, {""}
    names = _Names(record)
    parts: dict[str, dict[str, str]] = {}
    shared: dict[str, dict[str, tuple[str, str]]] = {}
    for piece, digest in record.pieces.items():
        section, _, rest = piece.partition("/")
        kind, _, key = rest.partition("/")
        if section == "services" and kind in ("states", "permissions"):
            shared.setdefault(key, {})[kind] = (digest, key)
        else:
            path, member = names.place(piece)
            parts.setdefault(path, {})[member] = digest
    table = _Shared(shared)
    for path, members in parts.items():
        service = names.services.get(path)
        files[path] = _content(members, service, table)
    unread = {names.place(piece)[0] for piece in record.failed if not names.is_folder(piece)}
    unread |= {names.folder_of(piece) for piece in record.failed if names.is_folder(piece)}
    return files, unread - files.keys()


def _content(members: Mapping[str, str], service: str | None, table: _Shared) -> Content:
    def put_together(store: Store) -> Any:
        if members.keys() == {""}:
            return store.load(members[""])
        whole = {name: store.load(digest) for name, digest in members.items()}
        return whole if service is None else {**whole, **table.of(store, service)}

    return put_together


class _Shared:
    """The pieces that tell something of all services of a folder, each loaded once."""

    def __init__(self, pieces: Mapping[str, Mapping[str, tuple[str, str]]]) -> None:
        self._pieces = pieces
        self._loaded: dict[str, dict[str, Any]] = {}

    def of(self, store: Store, service: str) -> dict[str, Any]:
        """State and permissions of *service*, as far as they are known."""
        folder = service.rpartition("/")[0] or "-"
        if folder not in self._loaded:
            found = self._pieces.get(folder, {})
            self._loaded[folder] = {kind: store.load(digest) for kind, (digest, _) in found.items()}
        return {
            kind.removesuffix("s") if kind == "states" else kind: told[service]
            for kind, told in self._loaded[folder].items()
            if service in told
        }


class _Names:
    """Where each piece of a site stands; names of our own begin with an underscore, which no other one does."""

    def __init__(self, record: SiteRecord) -> None:
        self.services: dict[str, str] = {}
        known = [*record.pieces, *record.failed]
        folders: dict[str, set[str]] = {}
        machines = set()
        for piece in known:
            section, _, rest = piece.partition("/")
            kind, _, key = rest.partition("/")
            if section == "services" and kind in ("definition", "iteminfo", "manifest"):
                folder, _, service = key.rpartition("/")
                folders.setdefault(folder, set()).add(service)
            elif section == "services" and kind in ("folder", "folder-permissions") and key != "-":
                folders.setdefault(key, set())
            elif section == "machines" and key:
                machines.add(key.partition("/")[0])
        self._folders = {**file_names(folder for folder in folders if folder), "": "_root", "-": "_root"}
        self._services = {folder: file_names(services) for folder, services in folders.items()}
        self._machines = file_names(machines)

    def place(self, piece: str) -> tuple[str, str]:
        """The path of the file that *piece* stands in, and the member there; an empty one for the whole file."""
        section, _, rest = piece.partition("/")
        kind, _, key = rest.partition("/")
        if section == "services":
            if kind in ("definition", "iteminfo", "manifest"):
                folder, _, service = key.rpartition("/")
                path = f"services/{self._folders[folder]}/{self._services[folder][service]}.json"
                self.services[path] = key
                return path, kind
            if kind in ("folder", "folder-permissions"):
                member = "about" if kind == "folder" else "permissions"
                return f"services/{self._folders[key]}/_folder.json", member
            return f"services/_{rest.replace('/', '-')}.json", ""
        if section == "machines" and key:
            return f"machines/{self._machines[key.partition('/')[0]]}.json", kind
        return f"{section}/{next(iter(file_names([rest.replace('/', '-')]).values()))}.json", ""

    @staticmethod
    def is_folder(piece: str) -> bool:
        """Whether nothing is known of what *piece* would list."""
        return piece.startswith(("services/folder/", "services/folders")) or piece == "machines/list"

    def folder_of(self, piece: str) -> str:
        """The begin of the paths that *piece* would list."""
        if piece == "machines/list":
            return "machines/"
        key = piece.removeprefix("services/folder/")
        return f"services/{self._folders[key]}/" if key in self._folders and key != "-" else "services/"
