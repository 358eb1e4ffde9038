"""`fleet init`: from an address and an account to an inventory that works."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.addresses import base_url, name_for
from fleet.cli.asking import can_ask
from fleet.cli.common import DURATION
from fleet.errors import UsageError

if TYPE_CHECKING:
    from fleet.errors import SiteError
    from fleet.inventory.model import Site

__all__ = ["command"]

SERVICE = "fleet"
VARIABLE = "FLEET_PASSWORD"
LOCKS_AFTER = 2
"""Refusals after which the user is reminded that accounts get locked."""


@click.command(name="init")
@click.option("--url", help="The site's base URL, such as https://gis.example.com/arcgis.")
@click.option("--username", help="The administrator's account.")
@click.option("--portal", help="The portal's address, for a federated site.")
@click.option("--ca", type=click.Path(path_type=Path), help="A file with the authority of the site's certificate.")
@click.option("--name", help="What the site is called in the inventory (by default after its host).")
@click.option(
    "--file",
    "target",
    type=click.Path(path_type=Path),
    default=Path("inventory.toml"),
    show_default=True,
    help="The file to write.",
)
@click.option("--force", is_flag=True, help="Overwrite that file without asking.")
@click.option("--timeout", type=DURATION, default="30s", help="Limit of one request.")
def command(**given: Any) -> int:
    """Make an inventory.toml: ask for a site and an account, test them for real, and keep the password safely.

    \b
    fleet init
    FLEET_PASSWORD=… fleet init --url https://gis.example.com/arcgis --username siteadmin

    The password is asked for, or taken from FLEET_PASSWORD; it is never written into the file. Without a terminal
    --url, --username and FLEET_PASSWORD are needed.
    """
    from fleet import places

    asks = can_ask()
    target: Path = given["target"]
    if not asks:
        _check_given(given)
    _check_name(given["name"])
    if given["ca"] is not None and not given["ca"].is_file():
        raise UsageError(f"there is no file {given['ca']}")
    overwrite = _may_overwrite(target, given["force"], asks)
    if overwrite is None:
        return 1
    site = _reached(given, asks)
    if site is None:
        return 1
    signed_in = _signed_in(site, given, asks)
    if signed_in is None:
        return 1
    site, password, typed = signed_in
    reference, advice = _keep(site, password) if typed else (_variable(), [f"the password stays in {VARIABLE}"])
    text = _text(site, reference)
    try:
        places.write_atomically(target.absolute(), text.encode(), replace=overwrite)
    except OSError as error:
        click.echo(f"{target} can't be written, and nothing of it is there: {error.strerror or error}", err=True)
        return 1
    click.echo(f"wrote {target}, with the site {site.name}", err=True)
    option = "" if str(target) == "inventory.toml" else f" -i {target}"
    for line in (*advice, f"next: fleet health{option}"):
        click.echo(line, err=True)
    return 0


def _check_given(given: Mapping[str, Any]) -> None:
    """Raise `UsageError` for what must be given where nobody can be asked."""
    missing = [option for option in ("--url", "--username") if not given[option[2:]]]
    missing += [] if os.environ.get(VARIABLE) else [f"the password in the variable {VARIABLE}"]
    if missing:
        told = missing[0] if len(missing) == 1 else f"{', '.join(missing[:-1])} and {missing[-1]}"
        raise UsageError(f"there is no terminal to ask on: give {told}")


def _check_name(name: str | None) -> None:
    from fleet.inventory.tables import NAME, RESERVED

    if name is not None and (not NAME.fullmatch(name) or name in RESERVED):
        raise UsageError(
            "a site's name begins with a letter or digit and has letters, digits, dots, dashes, underscores"
        )


def _may_overwrite(target: Path, force: bool, asks: bool) -> bool | None:
    """Whether to overwrite *target*: False where it is not there, None where the user says no; raises `UsageError`."""
    folder = target.absolute().parent
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder} to write {target.name} into")
    if target.is_dir():
        raise UsageError(f"{target} is a folder; give the name of a file")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"the folder {folder} can't be written")
    if force or not (target.exists() or target.is_symlink()):
        return force
    if not asks:
        raise UsageError(f"{target} is there already; give --force to overwrite it")
    if click.confirm(f"{target} is there already. Overwrite it?", err=True):
        return True
    click.echo("nothing was written; give --file for another name", err=True)
    return None


# The site


def _reached(given: Mapping[str, Any], asks: bool) -> Site | None:
    """The site, once it has answered; None where it does not, and nobody can be asked for another address."""
    from fleet.errors import SiteError

    url, ca = given["url"], given["ca"]
    while True:
        if url is None:
            url = click.prompt("Base URL of the site (https://host/context)", err=True)
        try:
            site = _site(url, given["name"], ca)
        except UsageError as error:
            if not asks:
                raise
            click.echo(f"{error}", err=True)
            url = None
            continue
        try:
            about = _ask(site, given["timeout"])
        except SiteError as error:
            _tell(site, error)
            if not asks:
                return None
            url, ca = _another(site, error, ca)
            continue
        click.echo(f"{site.url} answers: release {about.get('currentVersion', 'unknown')}", err=True)
        return _federated(site, about, given["portal"], asks)


def _another(site: Site, error: SiteError, ca: Path | None) -> tuple[str, Path | None]:
    """What to try next: the file of an authority for a certificate that is not trusted, or another address."""
    while error.kind == "tls" and ca is None:
        told = "File with the certificate of its authority, or Enter for another address"
        file = click.prompt(told, default="", show_default=False, err=True)
        if not file:
            break
        if Path(file).expanduser().is_file():
            return site.url, Path(file).expanduser()
        click.echo(f"there is no file {file}", err=True)
    return click.prompt("Base URL, or Enter to try this one again", default=site.url, err=True), None


def _site(url: str, name: str | None, ca: Path | None) -> Site:
    """The site at *url*; raises `UsageError` for an address that an inventory would refuse."""
    from fleet.inventory.model import Site, Tls
    from fleet.inventory.tables import host_of, is_loopback

    wanted, told = base_url(url)
    address = _address(wanted, "url")
    for sentence in told:
        click.echo(sentence, err=True)
    if address.startswith("http://") and not is_loopback(host_of(address)):
        raise UsageError("http:// would send the password in clear: give the site's https:// address")
    return Site(name=name or name_for(address), url=address, tls=Tls(ca=ca.absolute()) if ca else Tls())


def _address(text: str, key: str) -> str:
    """*text* as the inventory reads an address; raises `UsageError`."""
    from fleet.inventory.tables import SITE_KEYS, TableReader

    problems: list[str] = []
    reader = TableReader(Path.cwd(), lambda path, message, hint: problems.append(message), None)
    values = reader.read({"url": text}, ("sites", "new"), SITE_KEYS)
    if problems:
        raise UsageError(f"{key}: {problems[0]}")
    return str(values["url"])


def _federated(site: Site, about: Mapping[str, Any], portal: str | None, asks: bool) -> Site:
    """*site* with the portal at which it signs in, where it is federated and the user names or confirms that."""
    from fleet.inventory.model import Auth
    from fleet.inventory.tables import host_of, is_loopback
    from fleet.render.clean import one_line

    owner = about.get("owningSystemUrl")
    if portal is None and asks and isinstance(owner, str) and owner:
        shown = one_line(owner)
        click.echo(f"the site is federated with the portal {shown}, and its accounts are the portal's", err=True)
        if click.confirm("Is that your portal, and may the password be sent to it?", default=None, err=True):
            portal = owner
    if portal is None:
        return site
    address = _address(portal.strip().rstrip("/"), "portal")
    if address.startswith("http://") and not is_loopback(host_of(address)):
        raise UsageError("http:// would send the password in clear: give the portal's https:// address with --portal")
    return replace(site, auth=Auth(kind="portal", portal=address))


def _ask(site: Site, timeout: float) -> dict[str, Any]:
    """What the site says of itself to everybody; raises the `SiteError` that stands in the way."""
    import anyio

    from fleet import admin as ops
    from fleet.client.clients import Clients
    from fleet.client.settings import ClientSettings

    async def ask() -> dict[str, Any]:
        async with Clients(ClientSettings(timeout=timeout)) as clients:
            return await clients[site].call(ops.info.rest())

    return anyio.run(ask)


def _tell(site: Site, error: SiteError) -> None:
    from fleet.render.clean import one_line

    click.echo(f"{site.url}: {one_line(error.message)}", err=True)
    if error.hint:
        click.echo(f"→ {one_line(error.hint, 400)}", err=True)


# The account


def _signed_in(site: Site, given: Mapping[str, Any], asks: bool) -> tuple[Site, str, bool] | None:
    """The site with an account that works, the password, and whether that was typed; None where it does not work.

    A password is sent once each time that it is typed, and the one in the variable once.
    """
    import anyio

    from fleet.errors import SiteError
    from fleet.inventory.secrets import CredentialRef, Secret

    username, password = given["username"], os.environ.get(VARIABLE)
    typed = not password
    refused = 0
    while True:
        if username is None:
            username = click.prompt("Account of an administrator", err=True)
        if not username.isprintable():
            raise UsageError("an account's name has no control characters")
        if not password:
            password = click.prompt("Password", hide_input=True, err=True)
        elif not typed:
            click.echo(f"signing in as {username} with the password in {VARIABLE}", err=True)
        wanted = replace(site, username=username, password=CredentialRef(kind="plain", plain=Secret(password)))
        try:
            user = anyio.run(_sign_in, wanted, given["timeout"])
        except SiteError as error:
            _tell(site, error)
            if not asks:
                return None
            refused += error.kind == "auth"
            if refused >= LOCKS_AFTER:
                click.echo("sites lock an account after a few wrong passwords", err=True)
            username = click.prompt("Account", default=username, err=True)
            password, typed = None, True
            continue
        click.echo(f"signed in as {user}", err=True)
        return wanted, password, typed


async def _sign_in(site: Site, timeout: float) -> str:
    """Who we are at the site; raises the `SiteError` that stands in the way."""
    from fleet import admin as ops
    from fleet.client.clients import Clients
    from fleet.client.settings import ClientSettings
    from fleet.render.clean import one_line

    async with Clients(ClientSettings(timeout=timeout)) as clients:
        told = await clients[site].call(ops.info.admin())
        return one_line(str(told.get("loggedInUser") or site.username))


# The password


def _variable() -> str:
    return f'{{ env = "{VARIABLE}" }}'


def _keep(site: Site, password: str) -> tuple[str, list[str]]:
    """Where the password is kept: the reference for the file, and sentences for the user."""
    username = site.username or ""
    try:
        import keyring
    except ImportError:
        return _variable(), ["the password is kept nowhere: the key ring needs arcgis-fleet[keyring]", *_by_hand()]
    try:
        service = SERVICE
        known = keyring.get_password(service, username)
        if known not in (None, password):
            # Another inventory's password for an account of this name stays what it is.
            service = f"{SERVICE}-{site.name}"
        keyring.set_password(service, username, password)
        kept = keyring.get_password(service, username) == password
    except Exception as error:  # a key ring is somebody else's program behind somebody else's plug-in
        return _variable(), [f"there is no key ring here that works ({type(error).__name__})", *_by_hand()]
    if not kept:
        return _variable(), ["the key ring of this machine keeps nothing", *_by_hand()]
    return f'{{ keyring = "{service}" }}', [f"the password is in the key ring, under {service} and {username}"]


def _by_hand() -> list[str]:
    """How to hand fleet the password where no key ring keeps it."""
    if sys.platform == "win32":
        put = f'$env:{VARIABLE} = Read-Host -MaskInput "Password"'
    else:
        put = f"read -rsp 'Password: ' {VARIABLE} && export {VARIABLE}"
    return [
        f"put the password into the variable {VARIABLE} before you start fleet:",
        f"    {put}",
        'or into a file of mode 0600, and write password = { file = "PATH" }',
    ]


# The file


def _text(site: Site, reference: str) -> str:
    """The inventory, with comments that show what else can be written."""
    from fleet.toml_text import quoted

    auth = []
    if site.auth.portal:
        auth = [f'auth = {{ kind = "portal", portal = {quoted(site.auth.portal)} }}']
    tls = [f"tls = {{ ca = {quoted(str(site.tls.ca))} }}"] if site.tls.ca else []
    lines = [
        "#:schema ./inventory.schema.json",
        "# The ArcGIS Server sites of this fleet. `fleet inventory check` tells every mistake at once, and with",
        "# `fleet inventory schema > inventory.schema.json` beside it, editors complete this file. A site's own",
        "# values win over its groups', and those over the defaults.",
        "",
        "[defaults]",
        f"username = {quoted(site.username or '')}",
        "# Where the password lies, never the password itself. Other places:",
        '#   { env = "NAME" }   { file = "PATH" }   { keyring = "SERVICE" }   { command = ["pass", "gis"] }',
        f"password = {reference}",
        '# timeout = "30s"',
        *auth,
        "",
        "# Groups hold what their sites have in common, and are names to select by: fleet health -s prod",
        "# [groups.prod]",
        '# labels = { tier = "prod" }',
        "",
        f"[sites.{quoted(site.name) if '.' in site.name else site.name}]",
        f"url = {quoted(site.url)}",
        *tls,
        '# groups = ["prod"]',
        '# labels = { city = "Oslo" }',
        "# protected = true",
        "",
        "# The next site:",
        "# [sites.another]",
        '# url = "https://gis-another.example.com/arcgis"',
        '# groups = ["prod"]',
        "",
    ]
    return "\n".join(lines)
