"""`fleet certificates`: days left over the fleet, importing, switching, and what a client sees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.changing import Consent, change_options, none_fits, run_verb
from fleet.cli.common import DURATION, Common, output_option, run_options
from fleet.cli.listing import condition, list_rows, list_table, where_option
from fleet.cli.machines import nothing_fits
from fleet.cli.password import SOURCES, secret_from

if TYPE_CHECKING:
    from fleet.bulk.machines import ChosenMachines
    from fleet.client.site import SiteClient
    from fleet.rows.table import Row

__all__ = ["command"]

DAY = 86_400.0

machine_option = click.option(
    "--machine", "machines", multiple=True, metavar="NAME", help="Only on machines that fit, with * and ? (repeatable)."
)
file_argument = click.argument("file", type=click.Path(path_type=Path))
wait_option = click.option(
    "--wait", type=DURATION, default="5m", show_default=True, metavar="DURATION", help="Limit for the web server."
)


@click.group(name="certificates")
def command() -> None:
    """List certificates with their days left; make, import, switch to and delete them.

    \b
    fleet certificates list --within 30d
    fleet certificates import new.pfx --alias gis-2027 -s prod
    fleet certificates switch gis-2027 -s prod
    """


def _chosen(machines: tuple[str, ...]) -> ChosenMachines:
    from fleet.bulk.machines import ChosenMachines

    return ChosenMachines(machines)


@command.command(name="list")
@machine_option
@click.option("--within", type=DURATION, metavar="DURATION", help="Status 1 if one ends sooner than this, such as 30d.")
@click.option("--in-use", is_flag=True, help="Only those that a web server shows.")
@where_option
@output_option()
@run_options
def list_(common: Common, machines: tuple[str, ...], within: float | None, in_use: bool, where: str | None) -> int:
    """Every certificate of every machine, the one that ends first on top.

    \b
    fleet certificates list --within 30d --in-use -s prod
    fleet certificates list --where 'entryType=PrivateKeyEntry' -o csv
    """
    from fleet.rows.certificates import CERTIFICATES

    picked = _chosen(machines)
    shown = ("machineName", "aliasName", "inUse", "daysLeft", "validUntil", "subject", "issuer")
    return list_table(
        _by_days(common),
        CERTIFICATES,
        name="certificates list",
        where=where,
        fits=lambda row: picked.match(row["machineName"]) and (row["inUse"] or not in_use),
        shown=shown,
        bad=None if within is None else lambda row: ends_within(row, within),
    )


def _by_days(common: Common) -> Common:
    """Rows by the days that are left, unless another order is asked for."""
    return replace(common, sort=common.sort or "daysLeft") if common.query is None else common


def ends_within(row: Row, seconds: float) -> bool:
    """Whether what *row* tells of ends within *seconds*, or has ended."""
    left = row["daysLeft"]
    return left is not None and left * DAY < seconds


@command.command(name="csr")
@click.argument("alias")
@machine_option
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER", help="Write each to a file there."
)
@output_option()
@run_options
def csr(common: Common, alias: str, machines: tuple[str, ...], out: Path | None) -> int:
    """Signing requests of the certificate ALIAS, which an authority answers with a certificate.

    The shape of this answer is not confirmed by any published source.

    \b
    fleet certificates csr gis-2027 -s oslo --out requests
    """
    from fleet import admin as ops
    from fleet.errors import BadAnswer
    from fleet.rows.machines import machines_of

    picked = _chosen(machines)

    async def read(client: SiteClient) -> list[Row]:
        rows: list[Row] = []
        for entry in await machines_of(client):
            machine = entry["machineName"]
            if picked.match(machine):
                text = (await client.call(ops.machines.certificate_csr(machine, alias))).get("CSR")
                if not isinstance(text, str) or "CERTIFICATE REQUEST" not in text:
                    raise BadAnswer(f"{machine} gives no signing request")
                row: Row = {"machineName": machine, "aliasName": alias, "CSR": text}
                if out is not None:
                    row["file"] = str(_written(out, f"{client.site.name}-{machine}-{alias}.csr", text))
                rows.append(row)
        return rows

    shown = ("machineName", "aliasName", "CSR" if out is None else "file")
    return list_rows(common, read, name="certificates csr", shown=shown)


def _written(folder: Path, name: str, text: str) -> Path:
    """The file *name* in *folder*, with *text*; a name that no file may have becomes another that no other name has.

    Raises `ServerFailed` where it can't be written: the requests of other sites are of use all the same.
    """
    from fleet.errors import ServerFailed
    from fleet.places import write_atomically
    from fleet.snapshots.filenames import file_names

    path = folder / file_names([name])[name]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode(), replace=True)
    except OSError as error:
        told = (error.strerror or type(error).__name__).lower()
        raise ServerFailed(f"{path} can't be written: {told}", may_have_arrived=False) from None
    return path


@command.command(name="generate")
@click.argument("alias")
@click.option("--common-name", metavar="NAME", help="Whose it is (each machine's own name).")
@click.option("--validity", type=click.IntRange(1, 36_500), metavar="DAYS", help="Days that it is valid.")
@click.option("--san", metavar="NAMES", help="Names that it is for, as in DNS:gis.example.net,DNS:gis.")
@click.option("--organization", metavar="TEXT", help="Organization.")
@click.option("--unit", "organizationalUnit", metavar="TEXT", help="Organizational unit.")
@click.option("--city", metavar="TEXT", help="City.")
@click.option("--state", metavar="TEXT", help="State or province.")
@click.option("--country", metavar="CODE", help="Country, in two letters.")
@click.option("--key-size", "keysize", type=click.IntRange(1024, 16_384), metavar="BITS", help="Size of its key.")
@machine_option
@change_options
def generate(common: Common, consent: Consent, **given: Any) -> int:
    """Make a self-signed certificate, the first step to a signing request.

    \b
    fleet certificates generate gis-2027 --common-name gis.example.net --san DNS:gis.example.net -s oslo
    """
    from fleet.bulk.certificates import Generate

    alias, machines, name = given.pop("alias"), given.pop("machines"), given.pop("common_name")
    subject = {key: value for key, value in given.items() if value is not None}
    return run_verb(common, consent, Generate(_chosen(machines), alias, name, subject), none=nothing_fits(machines))


@command.command(name="import")
@file_argument
@click.option("--alias", required=True, metavar="NAME", help="Its name in the key stores.")
@click.option("--root", is_flag=True, help="An authority's certificate (root or intermediate), without a key.")
@click.option("--password-from", metavar="SOURCE", help=f"Where the file's password comes from: {SOURCES} (prompt).")
@machine_option
@change_options
def import_(common: Common, consent: Consent, **given: Any) -> int:
    """Import a server certificate with its key (a PKCS#12 file), or with --root that of an authority.

    The file's password is asked for, or comes from a variable or a file; it is never given as an argument. Switch to
    the new certificate afterwards.

    \b
    fleet certificates import new.pfx --alias gis-2027 -s prod --dry-run
    fleet certificates import authority.cer --root --alias example-root -s all
    """
    from fleet.bulk.certificate_files import read_certificate, read_pfx
    from fleet.bulk.certificates import ImportRoot, ImportServer
    from fleet.errors import UsageError

    picked, alias, file = _chosen(given["machines"]), given["alias"], given["file"]
    source = given["password_from"]
    if given["root"]:
        if source is not None:
            raise UsageError("an authority's certificate has no password")
        verb: ImportRoot | ImportServer = ImportRoot(picked, alias, read_certificate(file))
    else:
        password = secret_from(source or "prompt", f"Password of {file}", again=False)
        verb = ImportServer(picked, alias, read_pfx(file, password), password=password)
    return run_verb(common, consent, verb, none=nothing_fits(given["machines"]))


@command.command(name="import-signed")
@file_argument
@click.option("--alias", required=True, metavar="NAME", help="The certificate that the signing request was for.")
@machine_option
@change_options
def import_signed(common: Common, consent: Consent, file: Path, alias: str, machines: tuple[str, ...]) -> int:
    """Put what an authority made of a signing request in the place of the self-signed certificate.

    \b
    fleet certificates import-signed gis-2027.cer --alias gis-2027 -s oslo --machine gis-a01
    """
    from fleet.bulk.certificate_files import read_certificate
    from fleet.bulk.certificates import ImportSigned

    verb = ImportSigned(_chosen(machines), alias, read_certificate(file))
    return run_verb(common, consent, verb, none=nothing_fits(machines))


@command.command(name="switch")
@click.argument("alias")
@machine_option
@click.option("--force", is_flag=True, help="Also to one that clients, or this inventory's pin, would refuse.")
@wait_option
@change_options
def switch(common: Common, consent: Consent, **given: Any) -> int:
    """Let web servers show the certificate ALIAS; each restarts, one of a site after another.

    Where the site's url shows the certificate of that very machine, it is a success only when a TLS handshake shows the
    new one and it is accepted.

    \b
    fleet certificates switch gis-2027 -s prod --dry-run
    """
    from fleet.bulk.certificate_switch import Switch

    picked = _chosen(given["machines"])
    verb = Switch(picked, given["alias"], force=given["force"], wait=given["wait"])
    return run_verb(common, consent, verb, none=nothing_fits(given["machines"]))


@command.command(name="delete")
@click.argument("alias")
@machine_option
@where_option
@change_options
def delete(common: Common, consent: Consent, **given: Any) -> int:
    """Delete certificates by alias, with * and ?; one that is in use is left alone.

    \b
    fleet certificates delete 'gis-*' --where 'daysLeft<0 and inUse=false' -s all --dry-run
    """
    from fleet.bulk.certificates import Delete
    from fleet.rows.certificates import CERTIFICATES

    alias = given["alias"]
    verb = Delete(_chosen(given["machines"]), alias, condition(given["where"], CERTIFICATES.names))

    return run_verb(common, consent, verb, none=none_fits("certificate", [alias], given["where"]))


@command.command(name="verify")
@click.option(
    "--within",
    type=DURATION,
    default="30d",
    show_default=True,
    metavar="DURATION",
    help="Warn of one that ends sooner.",
)
@output_option()
@run_options
def verify(common: Common, within: float) -> int:
    """What a client sees at each site's url: chain, names and days; status 1 where it is refused or ends soon.

    \b
    fleet certificates verify -s prod
    fleet certificates verify --within 60d -o markdown
    """
    from fleet.errors import ConnectFailed
    from fleet.health.check import Limits
    from fleet.health.facts import Facts
    from fleet.health.tls import look

    async def read(client: SiteClient) -> list[Row]:
        finding = await look(Facts(client), Limits(within / DAY, 0.0))
        if isinstance(finding.obstacle, ConnectFailed):
            raise finding.obstacle
        told: Row = {"url": client.site.url, "status": finding.status, "saw": finding.saw}
        return [{**told, "advice": finding.advice, "chain": list(finding.items)}]

    return list_rows(
        common,
        read,
        name="certificates verify",
        columns=("url", "status", "saw", "advice", "chain"),
        shown=("url", "status", "saw", "advice"),
        bad=lambda row: row["status"] not in ("ok", "skipped"),
    )
