"""The local store of snapshots: pieces by content in packs, and one small file per snapshot that names them.

A snapshot is there when its own file is, and that file is written last, when everything that it names is durable. So
nothing that is listed is ever half there, wherever a crash or a full disk falls.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fleet import places, platform
from fleet.durations import parse_duration
from fleet.errors import StoreFailed, UsageError
from fleet.history.holding import locked
from fleet.snapshots.disk import Disk
from fleet.snapshots.packs import Pack, PackWriter, digest_of, unpacked
from fleet.snapshots.records import Kept, Pruned, SiteRecord, decoded, encoded

__all__ = ["Store", "Writer"]

SCHEMA = "fleet.snapshot/1"
ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
RESERVED = ("all", "and", "or", "not", "latest", "live", "majority")
WASTE = 0.2
"""The share of a pack that may be of no use any more before it is written anew without that."""


class Store:
    """The snapshots below *folder* (`snapshots` in the state folder). Reading needs no lock.

    Methods raise `StoreFailed` for what is damaged or can't be read or written, and `LockHeld`.
    """

    def __init__(self, folder: Path | None = None, disk: Disk | None = None) -> None:
        self.folder = places.state_folder() / "snapshots" if folder is None else folder
        self._disk = disk or Disk()
        self._packs: dict[Path, Pack] = {}
        self._where: dict[bytes, Pack] = {}

    # Reading

    def snapshots(self) -> list[Kept]:
        """Every snapshot, the oldest first."""
        found, damaged = self.look()
        if damaged:
            raise StoreFailed(damaged[0])
        return found

    def look(self) -> tuple[list[Kept], list[str]]:
        """Every snapshot that can be read, the oldest first, and a sentence for each that can't."""
        found, damaged = [], []
        for path in self._files("manifests", ".json"):
            try:
                found.append(self._manifest(path))
            except FileNotFoundError:
                continue  # pruned meanwhile
            except StoreFailed as error:
                damaged.append(str(error))
        return sorted(found, key=lambda kept: (kept.made, kept.id)), damaged

    def find(self, reference: str, *, now: float | None = None) -> Kept:
        """The snapshot that *reference* names: an ID, the begin of one, a name, `latest`, or an age such as `7d`.

        An age is the newest snapshot that is at least so old. Raises `UsageError` where there is none.
        """
        kept, damaged = self.look()
        hint = f" ({len(damaged)} that can't be read)" if damaged else ""
        if not kept:
            raise UsageError(f"there is no snapshot yet{hint}: make one with fleet snapshot save")
        for one in kept:
            if reference in (one.id, one.name):
                return one
        if reference == "latest":
            return kept[-1]
        begun = [one for one in kept if len(reference) >= 8 and one.id.startswith(reference)]
        if len(begun) == 1:
            return begun[0]
        if begun:
            raise UsageError(f"{reference!r} is the begin of {len(begun)} snapshots; write more of the ID")
        try:
            age = parse_duration(reference)
        except ValueError:
            names = ", ".join(one.name or one.id for one in kept[-5:])
            raise UsageError(f"there is no snapshot {reference!r}{hint}; the last ones are {names}") from None
        border = (time.time() if now is None else now) - age
        old = [one for one in kept if one.made <= border]
        if not old:
            raise UsageError(f"no snapshot is {reference} old; the oldest is {kept[0].id}")
        return old[-1]

    def sites(self, kept: Kept) -> dict[str, SiteRecord]:
        """What *kept* holds of every site that was selected for it, in the order of the inventory then."""
        found = {}
        for name, told in self.load(kept.root)["sites"]:
            tree = self.load(told["tree"]) if "tree" in told else {}
            found[name] = SiteRecord(
                outcome=told["outcome"],
                error=told.get("error"),
                url=tree.get("url"),
                release=tree.get("release"),
                groups=tuple(tree.get("groups", ())),
                labels=tree.get("labels", {}),
                pieces=tree.get("pieces", {}),
                absent=tree.get("absent", {}),
                failed=tree.get("failed", {}),
            )
        return found

    def load(self, digest: str) -> Any:
        """The piece *digest* (hex) as a JSON value."""
        return decoded(self._read(bytes.fromhex(digest)))

    def verify(self, kept: Kept) -> None:
        """Read every byte that *kept* needs; raises `StoreFailed` for the first that has changed or is gone."""
        done: set[str] = set()
        for record in self.sites(kept).values():
            for digest in record.pieces.values():
                if digest not in done:
                    done.add(digest)
                    self._read(bytes.fromhex(digest))

    def _read(self, digest: bytes) -> bytes:
        for again in (False, True):
            if again or digest not in self._where:
                self._look_at_packs(damaged=again)
            pack = self._where.get(digest)
            if pack is None:
                break
            try:
                return pack.read(digest)
            except FileNotFoundError:
                # Pruning has written what is left of this pack to another one.
                self._packs.pop(pack.path, None)
                self._where = {}
            except OSError as error:
                raise StoreFailed(f"{pack.path} can't be read: {error.strerror or error}") from None
        raise StoreFailed(f"the store {self.folder} is damaged: the object {digest.hex()[:12]} is missing")

    def _look_at_packs(self, *, damaged: bool = False) -> None:
        """Know every pack; a damaged one costs only what is in it, and is told when that is asked for."""
        first: StoreFailed | None = None
        packs = {}
        for path in self._files("packs", ".pack"):
            try:
                packs[path] = self._packs.get(path) or Pack.open(path)
            except FileNotFoundError:
                continue
            except StoreFailed as error:
                first = first or error
            except OSError as error:
                first = first or StoreFailed(f"{path} can't be read: {error.strerror or error}")
        self._packs = packs
        self._where = {digest: pack for pack in packs.values() for digest in pack.index}
        if damaged and first is not None:
            raise first

    def _files(self, kind: str, ending: str) -> list[Path]:
        try:
            paths = list((self.folder / kind).iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreFailed(f"{self.folder / kind} can't be read: {error.strerror or error}") from None
        return sorted(path for path in paths if path.name.endswith(ending) and not path.name.startswith("."))

    def _manifest(self, path: Path) -> Kept:
        try:
            data = path.read_bytes()
            told = json.loads(data)
            if path.stem[-8:] != digest_of(data).hex()[:8] or told["schema"] != SCHEMA:
                raise ValueError
            return Kept(
                id=path.stem,
                **{name: told[name] for name in Kept.__slots__ if name not in ("id", "at", "written")},
                at=tuple(told["at"]),
                written=told["written"] + len(data),
            )
        except FileNotFoundError:
            raise
        except (OSError, ValueError, KeyError, TypeError):
            raise StoreFailed(f"the snapshot {path.stem} is damaged: {path} is not what was written") from None

    # Writing

    @contextmanager
    def writing(self, *, name: str | None = None) -> Iterator[Writer]:
        """Write one snapshot: while it is open, this process holds the store.

        Raises `UsageError` for a name that can't be one or is taken, `LockHeld`, and `StoreFailed` for a disk that is
        full, say; nothing of an unfinished snapshot is left then.
        """
        self.check_name(name)
        with self._told(), self._ready("a snapshot being saved"):
            self.check_name(name)
            writer = Writer(self, self._disk)
            try:
                yield writer
            finally:
                writer.abandon()

    def prune(
        self,
        *,
        keep: int | None = None,
        older_than: float | None = None,
        dry_run: bool = False,
        now: float | None = None,
    ) -> Pruned:
        """Remove snapshots, and what no other one needs.

        With *keep* that many of the newest stay in any case; with *older_than* (seconds) only what is older goes. Raises
        `UsageError` where neither is given.
        """
        if keep is None and older_than is None:
            raise UsageError("say what to keep: --keep N, --older-than AGE, or both")
        if dry_run:
            stay, go = self._parted(keep, older_than, now)
            return Pruned(removed=tuple(go), kept=len(stay), freed=0)
        with self._told(), self._ready("snapshots being pruned"):
            stay, go = self._parted(keep, older_than, now)
            needed = self._needed(stay)
            for one in go:
                self._disk.remove(self.folder / "manifests" / f"{one.id}.json")
            # The snapshots are gone for good before anything is that they needed.
            self._disk.sync_folder(self.folder / "manifests")
            return Pruned(removed=tuple(go), kept=len(stay), freed=self._sweep(needed))

    def _parted(self, keep: int | None, older_than: float | None, now: float | None) -> tuple[list[Kept], list[Kept]]:
        kept, damaged = self.look()
        if damaged:
            raise StoreFailed(f"{damaged[0]}; nothing is pruned before that file is removed")
        border = (time.time() if now is None else now) - (older_than or 0.0)
        newest = {one.id for one in kept[len(kept) - keep :]} if keep else set()
        go = [one for one in kept if one.id not in newest and (older_than is None or one.made < border)]
        gone = {one.id for one in go}
        return [one for one in kept if one.id not in gone], go

    def _needed(self, stay: Sequence[Kept]) -> set[bytes]:
        """The digests of everything that the snapshots *stay* are made of."""
        needed: set[str] = set()
        for one in stay:
            if one.root in needed:
                continue
            needed.add(one.root)
            for _, told in self.load(one.root)["sites"]:
                tree = told.get("tree")
                if tree is not None and tree not in needed:
                    needed.add(tree)
                    needed.update(self.load(tree)["pieces"].values())
        return {bytes.fromhex(digest) for digest in needed}

    def _sweep(self, needed: set[bytes]) -> int:
        """Remove what is not *needed*; the bytes that this gave back."""
        freed = 0
        self._look_at_packs()
        for path, pack in list(self._packs.items()):
            mine = [digest for digest in pack.index if digest in needed]
            needed.difference_update(mine)
            size = path.stat().st_size
            used = sum(pack.index[digest][1] for digest in mine)
            if used >= (1 - WASTE) * sum(length for _, length in pack.index.values()):
                continue
            if mine:
                new = self._new_pack()
                try:
                    for digest in mine:
                        packed = pack.packed(digest)
                        unpacked(packed, digest, path)
                        new.add_packed(digest, packed)
                    new.finish()
                finally:
                    new.close()
                freed -= new.size
            self._disk.remove(path)
            freed += size
        self._disk.sync_folder(self.folder / "packs")
        self._packs, self._where = {}, {}
        return freed

    def _new_pack(self) -> PackWriter:
        folder, name = self.folder / "packs", secrets.token_hex(8)
        return PackWriter(self._disk, folder / f".{name}", folder / f"{name}.pack")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say in a sentence what the disk can't do."""
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            why = "there is no space left for it" if full else (error.strerror or type(error).__name__).lower()
            raise StoreFailed(
                f"the store {self.folder} can't be written: {why}; the snapshots that it held are whole"
            ) from None

    @contextmanager
    def _ready(self, what: str) -> Iterator[None]:
        """Hold the store, with its folders there and nothing left of writers that died."""
        if self.folder.parent == places.state_folder():
            platform.secure_folder(self.folder.parent, places.KEPT)
        for folder in (self.folder, self.folder / "packs", self.folder / "manifests"):
            platform.secure_folder(folder, ("lock", "packs", "manifests", "."))
        with locked(self.folder / "lock", what, "the snapshots are in use"):
            for kind in ("packs", "manifests"):
                for path in (self.folder / kind).iterdir():
                    if path.name.startswith("."):
                        self._disk.remove(path)
            yield

    def check_name(self, name: str | None) -> None:
        """Raise `UsageError` for a name that a snapshot can't have, or that another one has."""
        if name is None:
            return
        bad = not NAME.fullmatch(name) or name in RESERVED or ID.fullmatch(name)
        if not bad:
            try:
                parse_duration(name)
            except ValueError:
                pass
            else:
                bad = True
        if bad:
            raise UsageError(
                f"{name!r} can't be the name of a snapshot: letters, digits, dots, underscores and dashes, beginning "
                f"with a letter or digit, no age such as 7d, and none of {', '.join(RESERVED)}"
            )
        if any(one.name == name for one in self.look()[0]):
            raise UsageError(f"there is a snapshot {name!r} already; choose another name, or prune it first")


class Writer:
    """One snapshot while it is written: pieces are put in as they are read, and `finish` makes it one."""

    def __init__(self, store: Store, disk: Disk) -> None:
        self._store = store
        self._disk = disk
        store._look_at_packs()
        self._pack = store._new_pack()
        self._new: set[bytes] = set()

    @property
    def size(self) -> int:
        """Bytes that it added to the store until now."""
        return self._pack.size

    def put(self, value: Any) -> str:
        """Keep *value*, a JSON value, once; its digest in hex."""
        data = encoded(value)
        digest = digest_of(data)
        if digest not in self._store._where and digest not in self._new:
            self._new.add(digest)
            with self._store._told():
                self._pack.add(digest, data)
        return digest.hex()

    def finish(
        self,
        sites: Sequence[tuple[str, Mapping[str, Any]]],
        *,
        name: str | None,
        made: float,
        elapsed: float,
        selection: str,
        coverage: Mapping[str, Any],
        pieces: int,
        failed: int,
        at: Sequence[float] = (),
    ) -> Kept:
        """Make the snapshot of *sites* (name and record, in order) durable, and list it."""
        root = self.put({"sites": [list(pair) for pair in sites]})
        self._pack.finish()
        told = {
            "schema": SCHEMA,
            "name": name,
            "made": round(made, 3),
            "elapsed": round(elapsed, 3),
            "selection": selection,
            "coverage": coverage,
            "pieces": pieces,
            "failed": failed,
            "root": root,
            "written": self._pack.size,
            "at": [round(moment, 1) for moment in at],
        }
        data = json.dumps(told, separators=(",", ":")).encode()
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(made))
        kept = f"{stamp}-{digest_of(data).hex()[:8]}"
        folder = self._store.folder / "manifests"
        draft, path = folder / f".{kept}", folder / f"{kept}.json"
        descriptor = self._disk.create(draft)
        try:
            self._disk.write(descriptor, data)
            self._disk.sync(descriptor)
        finally:
            os.close(descriptor)
        self._disk.rename(draft, path)
        self._disk.sync_folder(folder)
        return self._store._manifest(path)

    def abandon(self) -> None:
        """Close what is open, and remove what did not become a snapshot; after `finish` there is nothing left to do."""
        self._pack.discard()
