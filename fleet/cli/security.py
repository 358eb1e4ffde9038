"""`fleet security`: settings beside what is recommended, accounts, tokens and the primary administrator of many sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from fleet.cli import accounts
from fleet.cli.changing import Consent, change_options, run_verb
from fleet.cli.common import Common, completed_by, load_inventory, output_option, run_options
from fleet.cli.judging import judge_rows
from fleet.cli.listing import condition, list_rows, where_option
from fleet.cli.password import password_from as source_of
from fleet.cli.password import password_option
from fleet.errors import UsageError

if TYPE_CHECKING:
    from fleet.cli.run import Session
    from fleet.client.site import SiteClient
    from fleet.rows.table import Row

__all__ = ["command"]

SEVERITIES = ("critical", "important", "recommended", "unknown", "ok")

settings_argument = click.argument("settings", nargs=-1, metavar="NAME=VALUE…")


@click.group(name="security")
def command() -> None:
    """Audit settings; users, roles, tokens and the primary administrator.

    \b
    fleet security audit -s prod
    fleet security who
    fleet security apply users.csv -s prod --dry-run
    """


for group in (accounts.apply, accounts.users, accounts.roles):
    command.add_command(group)


@command.command(name="audit")
@click.option("--all", "every", is_flag=True, help="Also settings that are as recommended.")
@click.option("--services", is_flag=True, help="Also the definition of each service (one request per service).")
@click.option(
    "--baseline",
    metavar="SITE",
    shell_complete=completed_by("sites"),
    help="Compare with this site's settings in place of what is recommended.",
)
@output_option()
@run_options
def audit(common: Common, every: bool, services: bool, baseline: str | None) -> int:
    """Settings that are not as recommended, the gravest first; status 1 where one is critical.

    HTTPS only, TLS versions, ciphers, HSTS, standardised queries, the filter of web content, services directory, allowed
    origins, tokens, permissions of the System folder, services open to everyone, the primary administrator. With
    --baseline: what differs from that site; status 1 where anything does.

    \b
    fleet security audit -s prod
    fleet security audit --baseline oslo -o csv
    fleet security audit --all --services -s oslo
    """
    from fleet.rows.security import AUDIT_COLUMNS, audit_rows

    reference: dict[str, Row] = {}

    async def prepare(session: Session) -> None:
        if baseline is None:
            return
        if baseline not in session.fleet.inventory.sites:
            raise UsageError(f"the baseline {baseline!r} is not in the inventory")
        rows = await audit_rows(session.fleet.client(baseline), services=services)
        reference.update({str(row["check"]): row for row in rows})

    async def read(client: SiteClient) -> Sequence[Row]:
        rows = await audit_rows(client, services=services)
        if baseline is None:
            return rows
        return [
            {**row, "wanted": reference[str(row["check"])]["saw"], "advice": f"it is so on {baseline}"}
            for row in rows
            if str(row["check"]) in reference and row["saw"] != reference[str(row["check"])]["saw"]
        ]

    def verdict(rows: Sequence[Row]) -> str | None:
        if baseline is not None:
            return f"{len(rows)} settings differ from {baseline}" if rows else None
        grave = [str(row["check"]) for row in rows if row["severity"] == "critical"]
        return f"{len(grave)} critical: {', '.join(grave)}" if grave else None

    return judge_rows(
        common,
        read,
        name="security audit",
        verdict=verdict,
        shown=lambda row: every or baseline is not None or row["severity"] != "ok",
        columns=AUDIT_COLUMNS,
        visible=("check", "severity", "saw", "wanted"),
        state=("severity",),
        hint="--columns site,check,advice tells what to do about it",
        fold=True,
        prepare=prepare,
        order=lambda row: SEVERITIES.index(row["severity"]),
    )


@command.command(name="who")
@output_option()
@run_options
def who(common: Common) -> int:
    """Who may administer or publish, by the privileges of roles and their members.

    \b
    fleet security who
    fleet security who -s prod -o csv --sort username
    """
    from fleet.rows.accounts import who as read

    columns = ("privilege", "username", "role")
    return judge_rows(
        common, read, name="security who", verdict=lambda rows: None, columns=columns, visible=columns, fold=True
    )


def _pairs(settings: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError("a setting is written NAME=VALUE")
        found[name.strip()] = value
    return found


# The configuration


@command.group(name="config")
def config() -> None:
    """The security configuration: protocols, ciphers, HSTS, who signs in where.

    \b
    fleet security config show -o csv
    """


@config.command(name="show")
@output_option()
@run_options
def show_config(common: Common) -> int:
    """The security configuration without its secrets.

    \b
    fleet security config show --columns site,httpsProtocols,HSTSEnabled
    """
    from fleet import admin as ops
    from fleet.rows.data import shown_info

    async def read(client: SiteClient) -> Sequence[Row]:
        told = await client.call(ops.security.config())
        return [shown_info(told)]

    shown = ("authenticationTier", "sslEnabled", "httpEnabled", "httpsProtocols", "HSTSEnabled", "allowDirectAccess")
    return list_rows(common, read, name="security config show", shown=shown)


@config.command(name="set")
@settings_argument
@change_options
def set_config(common: Common, consent: Consent, settings: tuple[str, ...]) -> int:
    """Change what is named, and nothing else; the site's REST and SOAP restart, which takes a minute.

    Protocol, httpsProtocols, cipherSuites, HSTSEnabled, virtualDirsSecurityEnabled, allowDirectAccess,
    allowedAdminAccessIPs, authenticationTier, authenticationMode.

    \b
    fleet security config set Protocol=HTTPS httpsProtocols=TLSv1.2,TLSv1.3 -s prod --dry-run
    """
    from fleet.bulk.security import SetConfig

    return run_verb(common, consent, SetConfig(_pairs(settings)))


# Tokens


@command.group(name="tokens")
def tokens() -> None:
    """Settings of tokens: how long they live, and how they can be had.

    \b
    fleet security tokens show
    """


@tokens.command(name="show")
@where_option
@output_option()
@run_options
def show_tokens(common: Common, where: str | None) -> int:
    """Settings of tokens without the shared key; times are minutes.

    \b
    fleet security tokens show --where 'shortTimeout>60'
    """
    from fleet import admin as ops
    from fleet.bulk.security import TOKENS

    columns = ("type", *TOKENS, "sharedKey")

    async def read(client: SiteClient) -> Sequence[Row]:
        told = await client.call(ops.security.tokens())
        inside = told.get("properties")
        inside = inside if isinstance(inside, Mapping) else {}
        row: dict[str, Any] = {"type": told.get("type"), **{name: inside.get(name) for name in TOKENS}}
        for name in ("allowHttpGet", "allowHttpPostQueryParams"):
            row[name] = "false" if row[name] is None else row[name]
        return [{**row, "sharedKey": "***" if inside.get("sharedKey") else None}]

    found = condition(where, columns)
    return list_rows(common, read, name="security tokens show", where=found, shown=columns, columns=columns)


@tokens.command(name="set")
@settings_argument
@click.option(
    "--shared-key-from", metavar="SOURCE", help="A new shared key from env:NAME or file:PATH: every token is worthless."
)
@change_options
def set_tokens(common: Common, consent: Consent, settings: tuple[str, ...], shared_key_from: str | None) -> int:
    """Change what is named, and nothing else: shortTimeout, longTimeout, allowHttpGet, allowHttpPostQueryParams.

    \b
    fleet security tokens set shortTimeout=60 longTimeout=1440 allowHttpGet=false -s prod
    """
    from fleet.bulk.security import SetTokens

    return run_verb(common, consent, SetTokens(_pairs(settings), source_of(shared_key_from)))


# The primary administrator


@command.group(name="psa")
def psa() -> None:
    """The primary site administrator: whether it can sign in, and its password.

    \b
    fleet security psa status
    """


@psa.command(name="status")
@where_option
@output_option()
@run_options
def psa_status(common: Common, where: str | None) -> int:
    """Whether the primary site administrator is disabled.

    \b
    fleet security psa status --where 'disabled=false'
    """
    from fleet import admin as ops

    async def read(client: SiteClient) -> Sequence[Row]:
        told = await client.call(ops.security.psa())
        return [{"disabled": told.get("disabled"), "username": told.get("username")}]

    columns = ("disabled", "username")
    return list_rows(common, read, name="security psa status", where=condition(where, columns), columns=columns)


@psa.command(name="enable")
@change_options
def psa_enable(common: Common, consent: Consent) -> int:
    """Let the primary site administrator sign in again, in an emergency.

    \b
    fleet security psa enable -s oslo
    """
    from fleet.bulk.security import EnablePsa

    return run_verb(common, consent, EnablePsa())


@psa.command(name="disable")
@change_options
def psa_disable(common: Common, consent: Consent) -> int:
    """Forbid the primary site administrator to sign in; another administrator must be signed in to do it.

    \b
    fleet security psa disable -s oslo
    """
    from fleet.bulk.security import DisablePsa

    return run_verb(common, consent, DisablePsa())


@psa.command(name="rotate")
@click.option(
    "--length", type=click.IntRange(12, 128), default=32, show_default=True, help="Characters of the password."
)
@change_options
def psa_rotate(common: Common, consent: Consent, length: int) -> int:
    """Give the primary site administrator a new random password, and keep it where the old one lies.

    The inventory must name a file or a key ring entry that belongs to this one site. The new password is kept as
    FILE.next before the site is told, and takes the place of FILE once the site has let us in with it. A run that was
    broken off is gone on with by the next one, which tries both passwords, once each.

    \b
    fleet security psa rotate -s prod --dry-run
    """
    from fleet.bulk.rotation import RotatePsa

    return run_verb(common, consent, RotatePsa(load_inventory(common), length))


# Stores


@command.group(name="identity-store")
def identity_store() -> None:
    """Where users and roles come from.

    \b
    fleet security identity-store test -s all
    """


@identity_store.command(name="test")
@password_option
@output_option()
@run_options
def test_store(common: Common, password_from: str | None) -> int:
    """Whether each site reaches its stores of users and roles; status 1 where one does not.

    --password-from tries another password than the one that the site has, before it is set.

    \b
    fleet security identity-store test -s prod
    """
    from fleet.rows.identity import COLUMNS, store_rows

    reference = source_of(password_from)

    def verdict(rows: Sequence[Row]) -> str | None:
        failed = [row for row in rows if row["state"] == "failed"]
        return f"its stores can't be reached: {failed[0]['message']}" if failed else None

    return judge_rows(
        common,
        lambda client: store_rows(client, reference),
        name="security identity-store test",
        verdict=verdict,
        columns=COLUMNS,
        visible=COLUMNS,
    )
