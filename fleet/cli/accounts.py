"""`fleet security users|roles|apply`: accounts of many sites, by hand or from a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.changing import Consent, change_options, run_verb
from fleet.cli.common import Common, output_option, run_options
from fleet.cli.listing import Named, list_rows, list_table, where_option
from fleet.cli.password import password_option, secret_from
from fleet.errors import UsageError
from fleet.given_files import text_of

if TYPE_CHECKING:
    from fleet.bulk.accounts_file import Accounts
    from fleet.client.site import SiteClient
    from fleet.rows.table import Row

__all__ = ["apply", "roles", "users"]

FILE_CAP = 16 * 1024 * 1024
PATH = click.Path(dir_okay=False, path_type=Path)

made_option = click.option(
    "--passwords-out", type=PATH, metavar="FILE", help="Make a password for each new user, and keep them in a new file."
)
given_option = click.option(
    "--passwords-from", type=PATH, metavar="FILE", help="Passwords of new users: username,password; mode 0600."
)
missing_option = click.option("--ignore-not-found", is_flag=True, help="One that is not there is no failure.")


def _passwords(made: Path | None, given: Path | None, source: str | None = None) -> dict[str, Any]:
    """Where the passwords of new users come from, as `ApplyAccounts` takes it; raises `UsageError`."""
    from fleet.bulk.new_passwords import GivenPasswords, MadePasswords

    if sum(one is not None for one in (made, given, source)) > 1:
        raise UsageError("give one of --password-from, --passwords-from and --passwords-out")
    if made is not None:
        passwords = MadePasswords(made)
        return {"passwords": passwords, "keep": passwords.keep}
    if given is not None:
        return {"passwords": GivenPasswords(given)}
    if source is None:
        return {}
    secret = secret_from(source)
    return {"passwords": lambda site, user: secret}


def _accounts(files: Sequence[Path]) -> Accounts:
    from fleet.bulk.accounts_file import Accounts, read_accounts

    found = Accounts()
    for file in files:
        found += read_accounts(text_of(file, FILE_CAP), str(file))
    return found


@click.command(name="apply")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@made_option
@given_option
@change_options
def apply(
    common: Common,
    consent: Consent,
    files: tuple[Path, ...],
    passwords_out: Path | None,
    passwords_from: Path | None,
) -> int:
    """Make users and roles as CSV files say: create, update and remove, and leave all others alone.

    A file with a column username is of users: fullname, email, description, roles (all roles of the user, separated by
    semicolons), state (present or absent). One with a column rolename is of roles: description, privilege (ACCESS,
    PUBLISH, ADMINISTER), state. A column that is left out is not looked at. A column of passwords is refused.

    \b
    fleet security apply roles.csv users.csv -s prod --dry-run
    fleet security apply users.csv -s prod --passwords-out new.csv
    fleet security users apply users.csv -s prod
    """
    from fleet.bulk.accounts import ApplyAccounts

    verb = ApplyAccounts(_accounts(files), **_passwords(passwords_out, passwords_from))
    return run_verb(common, consent, verb)


@click.group(name="users")
def users() -> None:
    """Users of the sites' own stores.

    \b
    fleet security users list
    """


users.add_command(apply)


@users.command(name="list")
@click.argument("names", nargs=-1)
@where_option
@click.option("--roles", is_flag=True, help="Also the roles and the privilege of each user (one request per role).")
@output_option()
@run_options
def list_users(common: Common, names: tuple[str, ...], where: str | None, roles: bool) -> int:
    """Users, all pages of them.

    \b
    fleet security users list -s prod
    fleet security users list 'ext-*' --where 'disabled=false' -o csv
    fleet security users list --roles --where 'privilege=ADMINISTER'
    """
    from fleet.protocol.item_patterns import NamePatterns
    from fleet.rows.accounts import USERS

    patterns = Named(names, lambda text: NamePatterns((text,)).match, "user")

    def fits(row: Row) -> bool:
        return patterns.match(str(row["username"]))

    shown = ["username", "fullname", "email", "disabled", *(["roles", "privilege"] if roles else [])]
    return list_table(
        common,
        USERS,
        name="security users list",
        where=where,
        fits=fits,
        shown=shown,
        every=roles,
        none=patterns.told,
    )


@users.command(name="add")
@click.argument("names", nargs=-1, required=True)
@click.option("--fullname", help="The person's name.")
@click.option("--email", help="Where to write to.")
@click.option("--description", help="What is to be said of the account.")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="A role of the new user (repeatable).")
@password_option
@made_option
@given_option
@change_options
def add_users(
    common: Common,
    consent: Consent,
    names: tuple[str, ...],
    roles: tuple[str, ...],
    password_from: str | None,
    passwords_out: Path | None,
    passwords_from: Path | None,
    fullname: str | None,
    email: str | None,
    description: str | None,
) -> int:
    """Make users; of one who is there the words and roles that are given are changed.

    \b
    fleet security users add jdoe --role gis_publishers --passwords-out new.csv -s prod
    fleet security users add svc-report --password-from file:report.secret -s 'prod and emea'
    """
    from fleet.bulk.accounts import ApplyAccounts
    from fleet.bulk.accounts_file import Accounts, UserWish, check_name

    given = None if not roles else tuple(dict.fromkeys(check_name(role, "role") for role in roles))
    wishes = tuple(
        UserWish(check_name(name, "user"), fullname, email, description, given) for name in dict.fromkeys(names)
    )
    passwords = _passwords(passwords_out, passwords_from, password_from)
    return run_verb(common, consent, ApplyAccounts(Accounts(users=wishes), thing="user", **passwords))


@users.command(name="remove")
@click.argument("names", nargs=-1, required=True)
@missing_option
@change_options
def remove_users(common: Common, consent: Consent, names: tuple[str, ...], ignore_not_found: bool) -> int:
    """Delete users.

    \b
    fleet security users remove jdoe -s all --dry-run
    """
    from fleet.bulk.accounts import ApplyAccounts
    from fleet.bulk.accounts_file import Accounts, UserWish, check_name

    wishes = tuple(UserWish(check_name(name, "user"), absent=True) for name in dict.fromkeys(names))
    return run_verb(common, consent, ApplyAccounts(Accounts(users=wishes), thing="user", missing_ok=ignore_not_found))


@click.group(name="roles")
def roles() -> None:
    """Roles of the sites' own stores, and who has them.

    \b
    fleet security roles list
    """


@roles.command(name="list")
@where_option
@click.option("--count", is_flag=True, help="Also how many users have each role (one request per role).")
@output_option()
@run_options
def list_roles(common: Common, where: str | None, count: bool) -> int:
    """Roles with what they may do.

    \b
    fleet security roles list --where 'privilege!=ACCESS'
    """
    from fleet.rows.accounts import ROLES

    shown = ["rolename", "privilege", "description", *(["members"] if count else [])]
    return list_table(common, ROLES, name="security roles list", where=where, shown=shown, every=count)


@roles.command(name="members")
@click.argument("role")
@output_option()
@run_options
def members(common: Common, role: str) -> int:
    """Who has a role.

    \b
    fleet security roles members gis_publishers -s prod -o csv
    """

    async def read(client: SiteClient) -> Sequence[Row]:
        from fleet.errors import NotFound
        from fleet.rows.accounts import members_of
        from fleet.rows.accounts import roles as roles_of

        if role not in {str(one["rolename"]) for one in await roles_of(client)}:
            raise NotFound(f"there is no role {role}", may_have_arrived=False)
        return [{"rolename": role, "username": name} for name in sorted(await members_of(client, role))]

    columns = ("rolename", "username")
    return list_rows(common, read, name="security roles members", shown=columns, columns=columns)


@roles.command(name="add")
@click.argument("names", nargs=-1, required=True)
@click.option("--privilege", type=click.Choice(["ACCESS", "PUBLISH", "ADMINISTER"]), help="What the role may do.")
@click.option("--description", help="What is to be said of the role.")
@change_options
def add_roles(
    common: Common, consent: Consent, names: tuple[str, ...], privilege: str | None, description: str | None
) -> int:
    """Make roles; of one that is there what is given is changed.

    \b
    fleet security roles add gis_publishers --privilege PUBLISH -s prod
    """
    from fleet.bulk.accounts import ApplyAccounts
    from fleet.bulk.accounts_file import Accounts, RoleWish, check_name

    wishes = tuple(RoleWish(check_name(name, "role"), description, privilege) for name in dict.fromkeys(names))
    return run_verb(common, consent, ApplyAccounts(Accounts(roles=wishes), thing="role"))


@roles.command(name="remove")
@click.argument("names", nargs=-1, required=True)
@missing_option
@change_options
def remove_roles(common: Common, consent: Consent, names: tuple[str, ...], ignore_not_found: bool) -> int:
    """Delete roles; their members stay, and lose what the role gave them.

    \b
    fleet security roles remove old_editors -s all --dry-run
    """
    from fleet.bulk.accounts import ApplyAccounts
    from fleet.bulk.accounts_file import Accounts, RoleWish, check_name

    wishes = tuple(RoleWish(check_name(name, "role"), absent=True) for name in dict.fromkeys(names))
    return run_verb(common, consent, ApplyAccounts(Accounts(roles=wishes), thing="role", missing_ok=ignore_not_found))


@roles.command(name="assign")
@click.argument("role")
@click.option("--user", "add", multiple=True, metavar="NAME", help="Give the role to this user (repeatable).")
@click.option("--remove-user", "remove", multiple=True, metavar="NAME", help="Take it from this user (repeatable).")
@change_options
def assign(common: Common, consent: Consent, role: str, add: tuple[str, ...], remove: tuple[str, ...]) -> int:
    """Give users a role, or take it from them; its other members are left alone.

    \b
    fleet security roles assign gis_publishers --user jdoe --remove-user asmith -s prod
    """
    from fleet.bulk.accounts import AssignRole
    from fleet.bulk.accounts_file import check_name

    if not add and not remove:
        raise UsageError("there is nothing to do: give --user or --remove-user")
    both = set(add) & set(remove)
    if both:
        raise UsageError(f"{min(both)} is to be given the role and to lose it")
    for name in (*add, *remove):
        check_name(name, "user")
    verb = AssignRole(check_name(role, "role"), tuple(dict.fromkeys(add)), tuple(dict.fromkeys(remove)))
    return run_verb(common, consent, verb)
