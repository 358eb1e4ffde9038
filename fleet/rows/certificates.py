"""Certificates in the key stores of a site's machines as rows: whose, from whom, when they end, which one is in use."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from fleet import admin as ops
from fleet.client.site import SiteClient
from fleet.errors import BadAnswer
from fleet.protocol.fields import as_epoch, path_name
from fleet.rows.machines import machines_of
from fleet.rows.reading import all_of, each, list_of
from fleet.rows.table import Column, Row, Table, Wanted

__all__ = ["CERTIFICATES", "days_left", "fingerprint"]

ALIAS_CAP = 500
"""Certificates of one machine that are looked at."""

DAY = 86_400.0

_TOLD = (
    "entryType",
    "subject",
    "issuer",
    "subjectAlternativeName",
    "keyAlgorithm",
    "keySize",
    "signatureAlgorithm",
    "serialNumber",
    "sha1Fingerprint",
    "sha256Fingerprint",
)


def fingerprint(text: Any) -> str:
    """A fingerprint as plain small hex digits, however a site writes it; the empty text where it tells none."""
    return "".join(letter for letter in text.lower() if letter in "0123456789abcdef") if isinstance(text, str) else ""


def days_left(end: float | None, now: float | None = None) -> float | None:
    """Days until *end* (epoch seconds), with two places; negative for what has ended."""
    return None if end is None else round((end - (time.time() if now is None else now)) / DAY, 2)


def _when(told: Mapping[str, Any], member: str) -> float | None:
    """A time of a certificate in epoch seconds: from 11.1 on as a number, before in Java's words."""
    epoch = as_epoch(told.get(f"{member}Epoch"))
    return as_epoch(told.get(member)) if epoch is None else epoch


def listed_aliases(listing: Mapping[str, Any]) -> list[str]:
    """The aliases in the *listing* of a machine's key store; raises `BadAnswer` for what is no name."""
    aliases = []
    for entry in list_of(listing, "certificates", ALIAS_CAP):
        alias = entry.get("aliasName") if isinstance(entry, Mapping) else entry
        if not isinstance(alias, str) or not alias:
            raise BadAnswer("the list of certificates holds something that is no name")
        aliases.append(path_name(alias))
    return aliases


async def _certificates(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    async def of(machine: str) -> list[Row]:
        aliases = listed_aliases(await client.call(ops.machines.certificates(machine)))
        asks = [partial(client.call, ops.machines.certificate(machine, alias)) for alias in aliases]
        settings, *told = all_of(await each([partial(client.call, ops.machines.get(machine)), *asks]))
        used = str(settings.get("webServerCertificateAlias") or "").lower()
        return [_row(machine, alias, one, used) for alias, one in zip(aliases, told, strict=True)]

    machines = await machines_of(client)
    parts = all_of(await each([partial(of, entry["machineName"]) for entry in machines]))
    return [row for part in parts for row in part]


def _row(machine: str, alias: str, told: Mapping[str, Any], used: str) -> Row:
    begin, end = _when(told, "validFrom"), _when(told, "validUntil")
    row: Row = {"machineName": machine, "aliasName": alias, "inUse": alias.lower() == used, "daysLeft": days_left(end)}
    row |= {name: told.get(name) for name in _TOLD}
    row |= {"validFrom": begin and round(begin * 1000), "validUntil": end and round(end * 1000)}
    return CERTIFICATES.row(row)


CERTIFICATES = Table(
    "certificates",
    "every certificate of every machine (one request per certificate)",
    (
        Column("machineName", "text", "machine whose key store it is in"),
        Column("aliasName", "text", "name in the key store"),
        Column("inUse", "boolean", "whether the machine's web server shows it"),
        Column("daysLeft", "real", "days until it ends; negative when it has"),
        Column("validUntil", "time", "when it ends"),
        Column("validFrom", "time", "when it begins"),
        Column("subject", "text", "whose it is"),
        Column("issuer", "text", "who made it"),
        Column("subjectAlternativeName", "json", "names that it is for"),
        Column("entryType", "text", "PrivateKeyEntry, or trustedCertEntry for an authority's"),
        Column("keyAlgorithm", "text", "kind of its key"),
        Column("keySize", "text", "bits of its key"),
        Column("signatureAlgorithm", "text", "how it is signed"),
        Column("serialNumber", "text", "serial number"),
        Column("sha1Fingerprint", "text", "SHA-1 of the certificate"),
        Column("sha256Fingerprint", "text", "SHA-256 of the certificate"),
    ),
    _certificates,
)
