"""Users and roles as a CSV file says them, checked whole: every mistake with its line, and no password in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet.errors import UsageError
from fleet.protocol.secret_names import is_secret_name
from fleet.rows.accounts import PRIVILEGES

__all__ = ["Accounts", "RoleWish", "UserWish", "check_name", "read_accounts"]

USER_COLUMNS = ("username", "fullname", "email", "description", "roles", "state")
ROLE_COLUMNS = ("rolename", "description", "privilege", "state")
STATES = ("", "present", "absent")
ROW_CAP = 50_000
MISTAKES_SHOWN = 20
NAME_LENGTH = 256


@dataclass(frozen=True, slots=True)
class UserWish:
    """How a user should be: only what is not None is looked at; `roles` are all of the user's roles."""

    username: str
    fullname: str | None = None
    email: str | None = None
    description: str | None = None
    roles: tuple[str, ...] | None = None
    absent: bool = False

    @property
    def words(self) -> dict[str, str]:
        """Those of its words that are said."""
        told = {"fullname": self.fullname, "email": self.email, "description": self.description}
        return {key: value for key, value in told.items() if value is not None}


@dataclass(frozen=True, slots=True)
class RoleWish:
    """How a role should be: only what is not None is looked at."""

    rolename: str
    description: str | None = None
    privilege: str | None = None
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Accounts:
    """Users and roles as they should be."""

    users: tuple[UserWish, ...] = ()
    roles: tuple[RoleWish, ...] = ()

    def __add__(self, other: Accounts) -> Accounts:
        return Accounts(self.users + other.users, self.roles + other.roles)


def check_name(name: str, what: str) -> str:
    """*name* of a user or role; raises `UsageError` for one that could not be sent, or would be taken for several."""
    if not name or name != name.strip() or len(name) > NAME_LENGTH:
        raise UsageError(f"the {what} is empty, too long, or has blanks around it")
    if "," in name or not name.isprintable():
        raise UsageError(f"the {what} {name[:40]!r} has a comma or a control character in it")
    return name


def read_accounts(text: str, source: str) -> Accounts:
    """What the CSV in *text* says: users where it has a column username, roles where it has rolename.

    Roles of a user are separated by semicolons. Raises `UsageError` with every mistake and its line.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise UsageError(f"{source}:{reader.line_num}: it is no CSV: {error}") from None
    known = USER_COLUMNS if "username" in header else ROLE_COLUMNS
    mistakes = _of_header(header, known)
    if mistakes:
        raise UsageError(f"{source}:1: {'; '.join(mistakes)}")
    if len(rows) > ROW_CAP:
        raise UsageError(f"{source} has more than {ROW_CAP} rows")
    users: list[UserWish] = []
    roles: list[RoleWish] = []
    seen: dict[str, int] = {}
    for line, row in rows:
        try:
            if len(row) > len(header):
                raise UsageError("it has more cells than the header")
            cells = dict(zip(header, [cell.strip() for cell in row], strict=False))
            key = cells[known[0]]
            if key.casefold() in seen:
                raise UsageError(f"{key[:40]!r} stands on line {seen[key.casefold()]} already")
            seen[key.casefold()] = line
            if known is USER_COLUMNS:
                users.append(_user(cells))
            else:
                roles.append(_role(cells))
        except UsageError as error:
            mistakes.append(f"{source}:{line}: {error}")
    if mistakes:
        more = f"\n  … and {len(mistakes) - MISTAKES_SHOWN} more" if len(mistakes) > MISTAKES_SHOWN else ""
        count = f"{len(mistakes)} mistake{'' if len(mistakes) == 1 else 's'}; nothing was sent"
        raise UsageError("\n  ".join([count, *mistakes[:MISTAKES_SHOWN]]) + more)
    if not rows:
        raise UsageError(f"{source} has a header and nothing below it")
    return Accounts(tuple(users), tuple(roles))


def _of_header(header: Sequence[str], known: Sequence[str]) -> list[str]:
    secret = [name for name in header if is_secret_name(name)]
    if secret:
        return [
            f"the column {secret[0]} is refused: a password does not belong into a table; "
            "--passwords-out makes new ones, --passwords-from reads them from a file of yours alone"
        ]
    if known[0] not in header:
        return ["it needs a column username (for users) or rolename (for roles)"]
    doubled = {name for name in header if header.count(name) > 1}
    unknown = [name for name in header if name not in known]
    told = [f"the column {name!r} stands twice" for name in sorted(doubled)]
    return told + [f"the column {name[:40]!r} is unknown; there are {', '.join(known)}" for name in unknown]


def _user(cells: Mapping[str, str]) -> UserWish:
    name = check_name(cells["username"], "user")
    for key in ("fullname", "email", "description"):
        _printable(cells.get(key), key)
    roles = None
    if "roles" in cells:
        names = [part.strip() for part in cells["roles"].split(";") if part.strip()]
        roles = tuple(dict.fromkeys(check_name(role, "role") for role in names))
    return UserWish(name, cells.get("fullname"), cells.get("email"), cells.get("description"), roles, _absent(cells))


def _role(cells: Mapping[str, str]) -> RoleWish:
    name = check_name(cells["rolename"], "role")
    _printable(cells.get("description"), "description")
    privilege = cells.get("privilege", "").upper() or None
    if privilege is not None and privilege not in PRIVILEGES:
        raise UsageError(f"the privilege is one of {', '.join(PRIVILEGES)}")
    return RoleWish(name, cells.get("description"), privilege, _absent(cells))


def _absent(cells: Mapping[str, str]) -> bool:
    state = cells.get("state", "").lower()
    if state not in STATES:
        raise UsageError("the state is present or absent")
    return state == "absent"


def _printable(text: str | None, what: str) -> None:
    if text is not None and not text.isprintable():
        raise UsageError(f"the {what} has a control character in it")
