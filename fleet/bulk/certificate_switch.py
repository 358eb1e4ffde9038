"""Switching web servers to another certificate: sent to one machine after another, and looked at as a client sees it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fleet import admin as ops
from fleet.bulk.certificates import CertificateVerb
from fleet.bulk.change import Change, impossible
from fleet.bulk.machine_settings import Edit, edit_of
from fleet.bulk.readiness import web_server_back
from fleet.bulk.verb import Done, Sender, make
from fleet.client.handshake import PeerCertificate
from fleet.client.site import Answer, SiteClient
from fleet.client.waiting import until_well
from fleet.errors import SiteError, VerifyFailed
from fleet.inventory.model import Site
from fleet.outcome import REACHED, outcome_of
from fleet.protocol.fields import as_int
from fleet.rows.certificates import CERTIFICATES, fingerprint
from fleet.rows.machines import MACHINES
from fleet.rows.table import EVERYTHING, Row, Wanted

__all__ = ["Switch"]


@dataclass(frozen=True)
class Switch(CertificateVerb):
    """Let the web servers of machines show the certificate *alias*; each restarts for it, one of a site after another.

    Where the site's `url` shows the certificate of that very machine it is seen that clients get the new one, within
    *wait* seconds; else the reason stands in `why`. What this program itself would refuse afterwards (one that has
    ended or is not yet valid, a pin, one that signed itself) is left alone unless *force* is given.
    """

    name = "certificates.switch"
    doing: str = field(default="switch", init=False)
    thing: str = field(default="machine", init=False)
    disrupts: bool = field(default=True, init=False)
    force: bool = False
    wait: float = 300.0

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        columns = frozenset({"machineName", "adminURL", *Edit.columns})
        machines = await MACHINES.read(client, Wanted(columns=columns))
        certificates = await CERTIFICATES.read(client, EVERYTHING)
        shown = await client.certificate(sent=True)
        changes = []
        for machine in machines:
            if self.chosen.match(machine["machineName"]):
                own = [row for row in certificates if row["machineName"] == machine["machineName"]]
                changes.append(self._judged(client, machine, own, shown))
        return [*self.chosen.missing([machine["machineName"] for machine in machines]), *changes]

    def _judged(self, client: SiteClient, machine: Row, own: Sequence[Row], shown: PeerCertificate | None) -> Change:
        name = machine["machineName"]
        there = self.found(own)
        if there is None:
            return self.absent(name, own)
        old = {"webServerCertificateAlias": machine["webServerCertificateAlias"]}
        new = {"webServerCertificateAlias": there["aliasName"]}
        if there["inUse"]:
            return Change(item=name, state="noop", old=old, new=old)
        used = next((row for row in own if row["inUse"]), None)
        ours = used is not None and _is_shown(used, shown)
        told = "is an authority's, without a key" if there["entryType"] == "trustedCertEntry" else ""
        if not told and not self.force:
            told = _refused(client.site, there, ours)
            told = told and f"{told}; --force switches all the same"
        if told:
            return impossible(name, f"{there['aliasName']} of {name} {told}", old=old, new=new)
        why = "" if ours else _unseen(shown)
        undo = () if used is None else (edit_of(machine, {"webServerCertificateAlias": used["aliasName"]}),)
        return Change(item=name, old=old, new=new, operations=(edit_of(machine, new),), undo=undo, why=why)

    def parameters(self) -> Mapping[str, Any]:
        return {**super().parameters(), "force": self.force}

    async def carry_out(self, client: SiteClient, changes: Sequence[Change], sender: Sender, done: Done) -> None:
        for change in changes:
            sender.begin()
            try:
                # Asked before: a certificate that we refuse is the last thing that the site shows us.
                alias = change.new["webServerCertificateAlias"]
                told = await client.call(ops.machines.certificate(change.item, alias))
            except SiteError as error:
                done(change, error)
                if outcome_of(error) not in REACHED:
                    raise
                continue
            await make(client, change, sender, done, self.name, after=partial(self._seen, client, change, told))

    async def _seen(
        self, client: SiteClient, change: Change, told: Mapping[str, Any], answer: Answer[Any]
    ) -> Answer[None]:
        """Wait until clients are shown the certificate; raises `VerifyFailed` where they are not, or refuse it."""
        if not change.why:
            alias = change.new["webServerCertificateAlias"]
            missing = await until_well(partial(_not_shown, client, alias, told), self.wait)
            if missing:
                raise VerifyFailed(
                    f"the machine says that it uses {alias}, and after {self.wait:g} s {missing}",
                    hint="look at what answers at the site's url",
                )
        return await web_server_back(client, self.wait, answer)


async def _not_shown(client: SiteClient, alias: str, told: Mapping[str, Any]) -> str:
    shown = await client.certificate(sent=True)
    if not _is_shown(told, shown):
        return "clients are shown another certificate"
    if shown is not None and shown.refusal is not None:
        raise VerifyFailed(
            f"clients are shown {alias}, and refuse it: {shown.refusal.message}",
            hint=shown.refusal.hint or "switch back, or let clients trust it",
        )
    return ""


def _is_shown(told: Mapping[str, Any], shown: PeerCertificate | None) -> bool:
    """Whether the certificate that the site tells of is the one that it shows, by its fingerprint."""
    if shown is None or not shown.der:
        return False
    sha256 = fingerprint(told.get("sha256Fingerprint"))
    if sha256:
        return sha256 == hashlib.sha256(shown.der).hexdigest()
    return fingerprint(told.get("sha1Fingerprint")) == hashlib.sha1(shown.der, usedforsecurity=False).hexdigest()


def _refused(site: Site, row: Row, ours: bool) -> str:
    """Why clients would refuse the certificate of *row*, as far as that can be told before; the empty text otherwise."""
    left, begins = row["daysLeft"], as_int(row["validFrom"])
    if left is not None and left < 0:
        return f"ended {-left:.0f} days ago"
    if begins is not None and begins / 1000 > time.time():
        return "is not valid yet"
    if not ours or not site.tls.verify:
        return ""
    pin = site.tls.pin
    if pin is not None and fingerprint(row["sha256Fingerprint"]) not in ("", pin.removeprefix("sha256:").lower()):
        return "is not the one that the inventory pins"
    if pin is None and site.tls.ca is None and row["subject"] and row["subject"] == row["issuer"]:
        return "signed itself, and clients that verify refuse such a one"
    return ""


def _unseen(shown: PeerCertificate | None) -> str:
    """Why it is not looked at what clients are shown."""
    if shown is None:
        return "what clients see is not looked at: the site is asked over http or through a proxy"
    return "what clients see is not looked at: the site's url shows another certificate than this machine's"
