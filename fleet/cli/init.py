"""`fleet init`: from an address and an account to an inventory that works."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.common import DURATION
from fleet.errors import UsageError

if TYPE_CHECKING:
    from fleet.inventory.model import Site

__all__ = ["command"]

SERVICE = "fleet"


@click.command(name="init")
@click.option("--url", help="The site's base URL, such as https://gis.example.com/arcgis.")
@click.option("--username", help="The administrator's account.")
@click.option("--portal", help="The portal's address, for a federated site.")
@click.option("--ca", type=click.Path(path_type=Path), help="A file with the authority of the site's certificate.")
@click.option("--name", default="site-1", show_default=True, help="What the site is called in the inventory.")
@click.option(
    "--file",
    "target",
    type=click.Path(path_type=Path),
    default=Path("inventory.toml"),
    show_default=True,
    help="The file to write.",
)
@click.option("--force", is_flag=True, help="Overwrite that file.")
@click.option("--timeout", type=DURATION, default="30s", help="Limit of one request.")
def command(**given: Any) -> int:
    """Make an inventory.toml: ask for a site and an account, test them for real, and keep the password safely.

    The password is asked for, or taken from FLEET_PASSWORD; it is never written into the file.
    """
    import anyio

    from fleet import places
    from fleet.errors import SiteError
    from fleet.inventory.tables import NAME, RESERVED

    target: Path = given["target"]
    if target.exists() and not given["force"]:
        raise UsageError(f"{target} is there already; give --force to overwrite it")
    if not NAME.fullmatch(given["name"]) or given["name"] in RESERVED:
        raise UsageError(
            "a site's name begins with a letter or digit and has letters, digits, dots, dashes, underscores"
        )
    url = given["url"] or click.prompt("Base URL of the site (https://host/context)", err=True)
    username = given["username"] or click.prompt("Account of an administrator", err=True)
    from_environment = os.environ.get("FLEET_PASSWORD")
    password = from_environment or click.prompt("Password", hide_input=True, err=True)
    site = _site(given["name"], url, username, password, given["portal"], given["ca"])
    try:
        release, user = anyio.run(_try, site, given["timeout"])
    except SiteError as error:
        click.echo(f"{site.url}: {error.message}", err=True)
        if error.hint:
            click.echo(f"→ {error.hint}", err=True)
        return 1
    click.echo(f"{site.url} answers: release {release}, signed in as {user}", err=True)
    reference, advice = _keep(username, password, bool(from_environment))
    places.write_atomically(target.absolute(), _text(site, username, reference, given).encode(), replace=given["force"])
    click.echo(f"wrote {target}", err=True)
    for line in (advice, "next: fleet health"):
        click.echo(line, err=True)
    return 0


def _site(name: str, url: str, username: str, password: str, portal: str | None, ca: Path | None) -> Site:
    """The site as the inventory would read it; raises `UsageError` for an address that it would refuse."""
    from fleet.inventory.model import Auth, Site, Tls
    from fleet.inventory.secrets import CredentialRef, Secret
    from fleet.inventory.tables import SITE_KEYS, TableReader, is_loopback, origin_of

    problems: list[str] = []
    reader = TableReader(Path.cwd(), lambda path, message, hint: problems.append(f"{path[-1]}: {message}"), None)
    values = reader.read({"url": url}, ("sites", name), SITE_KEYS)
    if problems:
        raise UsageError("; ".join(problems))
    address: str = values["url"]
    if address.startswith("http://") and not is_loopback(origin_of(address)[7:].rpartition(":")[0].strip("[]")):
        raise UsageError("http:// sends passwords in clear: use the site's https:// address")
    site = Site(
        name=name,
        url=address,
        username=username,
        password=CredentialRef(kind="plain", plain=Secret(password)),
        tls=Tls(ca=ca.absolute()) if ca else Tls(),
    )
    return replace(site, auth=Auth(kind="portal", portal=portal.rstrip("/"))) if portal else site


async def _try(site: Site, timeout: float) -> tuple[str, str]:
    """Ask the site for its release, and who we are there; raises the `SiteError` that stands in the way."""
    from fleet import admin as ops
    from fleet.client.clients import Clients
    from fleet.client.settings import ClientSettings

    async with Clients(ClientSettings(timeout=timeout)) as clients:
        client = clients[site]
        await client.call(ops.info.rest())
        told = await client.call(ops.info.admin())
        return str(client.release), str(told.get("loggedInUser") or site.username)


def _keep(username: str, password: str, from_environment: bool) -> tuple[str, str]:
    """Where the password is kept: the reference for the file, and a sentence for the user."""
    if from_environment:
        return '{ env = "FLEET_PASSWORD" }', "the password stays in the variable FLEET_PASSWORD"
    try:
        import keyring
        import keyring.errors

        keyring.set_password(SERVICE, username, password)
    except ImportError:
        return (
            '{ env = "FLEET_PASSWORD" }',
            "set FLEET_PASSWORD before you start fleet (or install arcgis-fleet[keyring])",
        )
    except keyring.errors.KeyringError:
        return '{ env = "FLEET_PASSWORD" }', "there is no key ring here: set FLEET_PASSWORD before you start fleet"
    return f'{{ keyring = "{SERVICE}" }}', f"the password is in the key ring, under {SERVICE} and {username}"


def _text(site: Site, username: str, reference: str, given: dict[str, Any]) -> str:
    from fleet.toml_text import quoted

    lines = [
        "#:schema ./inventory.schema.json",
        "# The ArcGIS Server sites of this fleet. `fleet inventory check` tells every mistake at once.",
        "# With `fleet inventory schema > inventory.schema.json` beside this file, editors complete and check it.",
        "",
        "[defaults]",
        f"username = {quoted(username)}",
        f"password = {reference}     # or {{ file = … }}, {{ keyring = … }}, {{ command = [ … ] }}",
        '# timeout = "30s"                          # one request',
    ]
    if site.auth.portal:
        lines.append(f'auth = {{ kind = "portal", portal = {quoted(site.auth.portal)} }}')
    lines += [
        "",
        "# [groups.prod]",
        '# labels = { tier = "prod" }',
        "",
        f"[sites.{quoted(site.name) if '.' in site.name else site.name}]",
        f"url = {quoted(site.url)}",
    ]
    if site.tls.ca:
        lines.append(f"tls = {{ ca = {quoted(str(site.tls.ca))} }}")
    lines += ['# groups = ["prod"]', "# protected = true                        # changes ask for the site's name", ""]
    return "\n".join(lines)
