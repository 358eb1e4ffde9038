"""Certificates in the key stores of machines: made, imported, exported and deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fleet.admin.catalogue import operation
from fleet.admin.operation import Operation

__all__ = [
    "certificate_csr",
    "certificate_delete",
    "certificate_export",
    "certificate_generate",
    "certificate_import_existing",
    "certificate_import_root",
    "certificate_import_signed",
    "certificate_update",
]


def certificate_generate(machine: str, alias: str, common_name: str, **subject: str | int) -> Operation[dict[str, Any]]:
    """Make a self-signed certificate *alias* for *common_name* in the key store of *machine*.

    *subject* may have `organization`, `organizationalUnit`, `city`, `state`, `country`, `san`, `keyalg`, `sigalg`,
    `keysize` in bits, and `validity` in days.

    Done when the key store lists the alias, which it must not have before.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/generatecertificate
    """
    return operation(
        "machines.sslcertificates.generate", {"alias": alias, "commonName": common_name, **subject}, machine=machine
    )


def certificate_csr(machine: str, alias: str) -> Operation[dict[str, Any]]:
    """`{"CSR": text}`: the signing request of the certificate *alias* of *machine*. The shape is not confirmed.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/certificate
    """
    return operation("machines.sslcertificates.generateCSR", machine=machine, alias=alias)


def certificate_import_signed(machine: str, alias: str, certificate: Path | bytes) -> Operation[dict[str, Any]]:
    """Replace the self-signed *alias* of *machine* by *certificate*, what an authority made of its request.

    No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/certificate
    """
    return operation(
        "machines.sslcertificates.importCASignedCertificate",
        files={"caSignedCertificate": certificate},
        machine=machine,
        alias=alias,
    )


def certificate_import_existing(
    machine: str, alias: str, certificate: Path | bytes, password: str
) -> Operation[dict[str, Any]]:
    """Import *certificate* with its key, a PKCS#12 file that *password* opens, as *alias* into *machine*.

    `use_certificate` lets the web server show it.

    Done when the key store lists the alias, which it must not have before.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/sslcertificates
    """
    return operation(
        "machines.sslcertificates.importExistingServerCertificate",
        {"alias": alias, "certPassword": password},
        files={"certFile": certificate},
        machine=machine,
    )


def certificate_import_root(machine: str, alias: str, certificate: Path | bytes) -> Operation[dict[str, Any]]:
    """Let *machine* trust *certificate*, that of an authority, as *alias*.

    Done when the key store lists the alias, which it must not have before.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/sslcertificates
    """
    return operation(
        "machines.sslcertificates.importRootOrIntermediate",
        {"alias": alias},
        files={"rootCACertificate": certificate},
        machine=machine,
    )


def certificate_update(machine: str, alias: str, certificate: Path | bytes, password: str) -> Operation[dict[str, Any]]:
    """Overwrite *alias* of *machine* by *certificate*, a PKCS#12 file that *password* opens, without a restart.

    Since 12.1. No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/update-ssl
    """
    return operation(
        "machines.sslcertificates.update",
        {"password": password},
        files={"file": certificate},
        machine=machine,
        alias=alias,
    )


def certificate_export(machine: str, alias: str) -> Operation[bytes]:
    """The certificate *alias* of *machine*, without its key: bytes, DER or PEM.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/certificate
    """
    return operation("machines.sslcertificates.export", machine=machine, alias=alias)


def certificate_delete(machine: str, alias: str) -> Operation[dict[str, Any]]:
    """Delete *alias* from the key store of *machine*; one that the web server shows is refused.

    Done when the key store no longer lists it.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/certificate
    """
    return operation("machines.sslcertificates.delete", machine=machine, alias=alias)
