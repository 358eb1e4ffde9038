"""A new password for the primary site administrator, in steps of which each can be the last one before a crash.

The new password is kept as `REF.next`, durably, before the site is told; it takes the place of `REF` once the site has let
us in with it. A run that finds a `REF.next` tries both passwords, once each, and goes on from there.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import anyio.to_thread

from fleet import admin as ops
from fleet.bulk.change import Change, impossible
from fleet.bulk.verb import Done, Sender, Verb, make_by
from fleet.client.site import Answer, SiteClient
from fleet.errors import AuditFailed, ConfigFailed, LoginRefused, ServerFailed, SiteError, UsageError, VerifyFailed
from fleet.inventory.model import Inventory
from fleet.inventory.next_secret import NextSecret
from fleet.inventory.secrets import CredentialRef, Secret
from fleet.protocol.fields import as_bool
from fleet.protocol.secret_names import MASK
from fleet.rows.accounts import users

__all__ = ["RotatePsa", "new_password"]

SHORTEST, LONGEST = 12, 128
SIGNS = "-_.!"
"""Signs that every user store, shell and configuration file takes as they are."""

Works = Literal["now", "next", "neither"]


def new_password(length: int = 32) -> Secret:
    """A random password with letters large and small, digits and signs; raises `UsageError` for a bad *length*."""
    if not SHORTEST <= length <= LONGEST:
        raise UsageError(f"a password has {SHORTEST} to {LONGEST} characters here")
    kinds = (string.ascii_uppercase, string.ascii_lowercase, string.digits, SIGNS)
    every = "".join(kinds)
    while True:
        # It begins with a letter: some tools take a leading sign for an option.
        text = secrets.choice(string.ascii_letters) + "".join(secrets.choice(every) for _ in range(length - 1))
        if all(any(character in kind for character in text) for kind in kinds):
            return Secret(text)


@dataclass(frozen=True)
class RotatePsa(Verb):
    """Give the primary site administrator a new password, and keep it where *inventory* says that it lies."""

    inventory: Inventory = field(repr=False)
    length: int = 32
    name = "security.psa.rotate"
    resumes = True
    doing: str = field(default="change", init=False)
    thing: str = field(default="password", init=False)
    _seen: dict[str, Works] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Which of two passwords a site takes: each is tried once in a run."""

    def __post_init__(self) -> None:
        new_password(self.length)

    def parameters(self) -> Mapping[str, Any]:
        return {"length": self.length}

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        old = {"password": MASK}
        new = {"password": f"{MASK} (new, {self.length} characters)"}
        try:
            kept = self._kept(client)
            await anyio.to_thread.run_sync(kept.check)
            waiting = await anyio.to_thread.run_sync(kept.read)
            if waiting is not None:
                new = {"password": f"{MASK} (from {kept})"}
                works = await self._which(client, kept, waiting)
                if works == "neither":
                    raise ConfigFailed(
                        f"the site takes neither the password in {kept.ref} nor the one in {kept}",
                        hint="find out which one holds; both are left as they are",
                    )
                if works == "next":
                    # The site has it already: it only has to take its place here.
                    return [Change(item="psa", old=old, new=new, why="an earlier run had told the site")]
            await _require_primary(client)
        except ConfigFailed as error:
            # Nothing stands in the way of signing in: it is this change that can't be made.
            refused = ServerFailed(error.message, hint=error.hint, may_have_arrived=False)
            return [impossible("psa", refused, old=old, new=new)]
        except _NotPrimary as error:
            return [impossible("psa", str(error), old=old, new=new)]
        return [Change(item="psa", old=old, new=new)]

    def _kept(self, client: SiteClient) -> NextSecret:
        site = client.site
        if site.auth.kind != "server" or site.password is None:
            raise ConfigFailed(
                "it does not sign in with an account of the site itself, whose password could be changed"
            )
        others = [
            name
            for name, other in self.inventory.sites.items()
            if name != site.name and _same(site.password, other.password)
        ]
        kept = NextSecret(site.password)
        if others:
            more = f" and {len(others) - 1} more" if len(others) > 1 else ""
            raise ConfigFailed(
                f"its password is also that of {others[0]}{more}",
                hint="give each site a file or a key ring entry of its own first",
            )
        return kept

    async def _which(self, client: SiteClient, kept: NextSecret, waiting: Secret) -> Works:
        """Which password the site takes; each is tried once, and the answer is kept for this run."""
        known = self._seen.get(client.site.name)
        if known is None:
            if await _lets_in(client, await anyio.to_thread.run_sync(kept.current)):
                known = "now"
            else:
                known = "next" if await _lets_in(client, waiting) else "neither"
            self._seen[client.site.name] = known
        return known

    async def carry_out(self, client: SiteClient, changes: Sequence[Change], sender: Sender, done: Done) -> None:
        for change in changes:
            await make_by(client, change, sender, done, partial(self._rotate, client, sender))

    async def _rotate(self, client: SiteClient, sender: Sender) -> Answer[Any]:
        kept = self._kept(client)
        waiting = await anyio.to_thread.run_sync(kept.read)
        told = waiting is not None and await self._which(client, kept, waiting) == "next"
        if waiting is None:
            waiting = new_password(self.length)
            await anyio.to_thread.run_sync(kept.write, waiting)
        await client.secret(CredentialRef(kind="plain", plain=waiting))
        if not told:
            await self._tell(client, sender, kept, waiting)
        await anyio.to_thread.run_sync(kept.promote, waiting)
        now = await anyio.to_thread.run_sync(kept.current)
        if now != waiting or not await _lets_in(client, now):
            raise VerifyFailed(
                f"the site does not let us in with what is in {kept.ref} now",
                hint="look at the reference, and at the account",
            )
        return Answer(value=None, outcome="changed")

    async def _tell(self, client: SiteClient, sender: Sender, kept: NextSecret, password: Secret) -> None:
        """Tell the site of *password*, and see that it lets us in with it; raises the error it came to."""
        failed: SiteError | None = None
        try:
            await sender.send(client, ops.security.psa_update(client.site.username, password.reveal()))
        except AuditFailed:
            raise
        except SiteError as error:
            # It may have arrived all the same: the login tells.
            if not error.may_have_arrived:
                raise
            failed = error
        if await _lets_in(client, password):
            return
        if failed is not None:
            failed.hint = f"the new password is kept in {kept}; run the command again to go on with it"
            raise failed
        raise VerifyFailed(
            "the site said that the password is changed, and does not take the new one",
            hint=f"it is kept in {kept}; run the command again, which tries both",
        )


class _NotPrimary(Exception):
    """The account is not the primary site administrator's, as far as can be told."""


async def _require_primary(client: SiteClient) -> None:
    """Raise `_NotPrimary` unless the account that we sign in with is the primary site administrator's."""
    told = await client.call(ops.security.psa())
    name = client.site.username or ""
    if as_bool(told.get("disabled")):
        raise _NotPrimary("the primary site administrator is disabled")
    primary = told.get("username")
    if isinstance(primary, str) and primary:
        if primary != name:
            raise _NotPrimary(f"{name} is not the primary site administrator")
        return
    if name in {str(user["username"]) for user in await users(client)}:
        raise _NotPrimary(f"{name} is a user of the site's store, not its primary administrator")


async def _lets_in(client: SiteClient, password: Secret) -> bool:
    """Whether the site lets us in with *password*, which is tried once; raises what else stood in the way."""
    try:
        await client.with_password(password).login()
    except LoginRefused as refusal:
        if not refusal.final:
            raise
        return False
    return True


def _same(one: CredentialRef, other: CredentialRef | None) -> bool:
    """Whether both lie at the same place, however it is written."""
    if other is None or one.kind != other.kind:
        return False
    if one.kind == "file":
        return NextSecret(one).path == NextSecret(other).path
    return (one.where, one.user) == (other.where, other.user)
