"""Verbs on certificates in the key stores of machines: made, imported and deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from fleet import admin as ops
from fleet.admin.operation import Operation, ReadBack
from fleet.aggregate.where import Where, matches, require_fields
from fleet.bulk.certificate_files import CertificateFile
from fleet.bulk.change import Change, impossible
from fleet.bulk.machines import ChosenMachines
from fleet.bulk.verb import Verb
from fleet.client.site import SiteClient
from fleet.errors import NotFound
from fleet.inventory.secrets import Secret
from fleet.rows.certificates import CERTIFICATES, fingerprint
from fleet.rows.machines import machines_of
from fleet.rows.table import EVERYTHING, Row

__all__ = ["CertificateVerb", "Delete", "Generate", "ImportRoot", "ImportServer", "ImportSigned", "is_file"]


def is_file(row: Mapping[str, Any], file: CertificateFile) -> bool | None:
    """Whether the certificate of *row* is the one in *file*, by its fingerprint; None where that can't be told."""
    for told, ours in ((row.get("sha256Fingerprint"), file.sha256), (row.get("sha1Fingerprint"), file.sha1)):
        theirs = fingerprint(told)
        if theirs and ours:
            return theirs == ours
    return None


@dataclass(frozen=True)
class CertificateVerb(Verb):
    """A verb on the certificate *alias* of the machines that are *chosen*."""

    chosen: ChosenMachines
    alias: str
    thing: str = field(default="certificate", init=False)

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        rows = await CERTIFICATES.read(client, EVERYTHING)
        names = [entry["machineName"] for entry in await machines_of(client)]
        changes = []
        for machine in filter(self.chosen.match, names):
            own = [row for row in rows if row["machineName"] == machine]
            changes.append(self.judge(machine, own))
        return [*self.chosen.missing(names), *changes]

    def judge(self, machine: str, rows: Sequence[Row]) -> Change:
        """What is to be done on *machine*, whose certificates are *rows*."""
        raise NotImplementedError

    def item(self, machine: str) -> str:
        """What the change of *machine* is called."""
        return f"{machine}/{self.alias}"

    def found(self, rows: Sequence[Row]) -> Row | None:
        """The certificate of that alias; letters may be large or small, as in the key store."""
        return next((row for row in rows if row["aliasName"].lower() == self.alias.lower()), None)

    def absent(self, machine: str, rows: Sequence[Row]) -> Change:
        """That there is no such certificate on *machine*."""
        there = ", ".join(row["aliasName"] for row in rows) or "none"
        told = NotFound(f"{machine} has no certificate {self.alias}", hint=f"there are {there}", may_have_arrived=False)
        return impossible(self.item(machine), told)

    def parameters(self) -> Mapping[str, Any]:
        return {"alias": self.alias, "machines": list(self.chosen.texts)}


@dataclass(frozen=True)
class Generate(CertificateVerb):
    """Make self-signed certificates, for each machine's own name unless *common_name* is given.

    *subject* has further parameters of the operation, such as `organization`, `san` and `validity` in days.
    """

    name = "certificates.generate"
    doing: str = field(default="make", init=False)
    common_name: str | None = None
    subject: Mapping[str, str | int] = field(default_factory=dict)

    def judge(self, machine: str, rows: Sequence[Row]) -> Change:
        name = self.common_name or machine
        new = {"commonName": name, **self.subject}
        there = self.found(rows)
        if there is not None:
            subject = str(there["subject"] or "").replace(" ", "").lower()
            if f"cn={name.lower()}" in subject.split(","):
                return Change(item=self.item(machine), state="noop", new=new, why="there is one of that name already")
            told = f"{machine} has another certificate {self.alias}: choose another alias, or delete that one"
            return impossible(self.item(machine), told, old={"subject": there["subject"]}, new=new)
        operation = ops.machines.certificate_generate(machine, self.alias, name, **self.subject)
        undo = (ops.machines.certificate_delete(machine, self.alias),)
        return Change(item=self.item(machine), new=new, operations=(operation,), undo=undo)

    def parameters(self) -> Mapping[str, Any]:
        return {**super().parameters(), "commonName": self.common_name, **self.subject}


@dataclass(frozen=True)
class _Import(CertificateVerb):
    """Import the certificate in *file* under an alias that is free, or has that very certificate already."""

    file: CertificateFile

    def operation(self, machine: str) -> Operation[Any]:
        """The import on *machine*."""
        raise NotImplementedError

    def judge(self, machine: str, rows: Sequence[Row]) -> Change:
        new, there = self.file.told(), self.found(rows)
        if there is not None:
            if is_file(there, self.file):
                return Change(item=self.item(machine), state="noop", old=new, new=new, why="it is there already")
            told = f"{machine} has another certificate {self.alias}: choose another alias, or delete that one"
            return impossible(self.item(machine), told, old={"subject": there["subject"]}, new=new)
        undo = (ops.machines.certificate_delete(machine, self.alias),)
        return Change(item=self.item(machine), new=new, operations=(self._seen(machine),), undo=undo)

    def _seen(self, machine: str) -> Operation[Any]:
        """The operation, seen to be done by the fingerprint of what the key store has then."""
        operation = self.operation(machine)
        if not self.file.sha256:
            return operation
        look = ops.machines.certificate(machine, self.alias)
        return replace(operation, read_back=ReadBack(look=look, done=lambda told: is_file(told, self.file)))

    def parameters(self) -> Mapping[str, Any]:
        return {**super().parameters(), **self.file.told()}


@dataclass(frozen=True)
class ImportServer(_Import):
    """Import a server certificate with its key, a PKCS#12 file that *password* opens."""

    name = "certificates.import"
    doing: str = field(default="import", init=False)
    password: Secret = field(default_factory=lambda: Secret(""), repr=False, compare=False)

    def operation(self, machine: str) -> Operation[Any]:
        return ops.machines.certificate_import_existing(machine, self.alias, self.file.data, self.password.reveal())


@dataclass(frozen=True)
class ImportRoot(_Import):
    """Let machines trust the certificate of an authority."""

    name = "certificates.import-root"
    doing: str = field(default="import", init=False)

    def operation(self, machine: str) -> Operation[Any]:
        return ops.machines.certificate_import_root(machine, self.alias, self.file.data)


@dataclass(frozen=True)
class ImportSigned(_Import):
    """Put what an authority made of a signing request in the place of the self-signed certificate."""

    name = "certificates.import-signed"
    doing: str = field(default="import", init=False)

    def judge(self, machine: str, rows: Sequence[Row]) -> Change:
        new, there = self.file.told(), self.found(rows)
        if there is None:
            return self.absent(machine, rows)
        if is_file(there, self.file):
            return Change(item=self.item(machine), state="noop", old=new, new=new, why="it is there already")
        old = {"subject": there["subject"], "issuer": there["issuer"]}
        return Change(item=self.item(machine), old=old, new=new, operations=(self._seen(machine),))

    def operation(self, machine: str) -> Operation[Any]:
        return ops.machines.certificate_import_signed(machine, self.alias, self.file.data)


@dataclass(frozen=True)
class Delete(CertificateVerb):
    """Delete certificates whose alias fits *alias*, a pattern with * and ?, and that fit *where*; none that is in use."""

    name = "certificates.delete"
    doing: str = field(default="delete", init=False)
    where: Where | None = None

    def __post_init__(self) -> None:
        if self.where is not None:
            require_fields(self.where, CERTIFICATES.names)

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        rows = await CERTIFICATES.read(client, EVERYTHING)
        names = list(dict.fromkeys(row["machineName"] for row in rows))
        meant = [row for row in rows if self.chosen.match(row["machineName"]) and self._fits(row)]
        return [*self.chosen.missing(names), *map(self._judged, meant)]

    def _fits(self, row: Row) -> bool:
        fits = fnmatchcase(row["aliasName"].lower(), self.alias.lower().replace("[", "[[]"))
        return fits and (self.where is None or matches(self.where, row))

    def _judged(self, row: Row) -> Change:
        item = f"{row['machineName']}/{row['aliasName']}"
        old = {"subject": row["subject"], "daysLeft": row["daysLeft"]}
        if row["inUse"]:
            told = f"the web server of {row['machineName']} shows {row['aliasName']}: switch to another one first"
            return impossible(item, told, old=old)
        operation = ops.machines.certificate_delete(row["machineName"], row["aliasName"])
        return Change(item=item, old=old, new="deleted", operations=(operation,))

    def parameters(self) -> Mapping[str, Any]:
        return {**super().parameters(), **({} if self.where is None else {"where": str(self.where)})}
