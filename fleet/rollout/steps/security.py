"""The steps on the security of sites: settings, tokens, the primary administrator, users and roles."""

from __future__ import annotations

from fleet.bulk.accounts import ApplyAccounts, AssignRole
from fleet.bulk.accounts_file import Accounts, check_name, read_accounts
from fleet.bulk.new_passwords import GivenPasswords
from fleet.bulk.rotation import LONGEST, SHORTEST, RotatePsa
from fleet.bulk.security import CONFIG, TOKENS, DisablePsa, EnablePsa, SetConfig, SetTokens
from fleet.bulk.verb import Verb
from fleet.errors import UsageError
from fleet.given_files import text_of
from fleet.rollout.steps.kinds import Kind
from fleet.rollout.steps.parameters import Given, Making, Parameter, as_text

__all__ = ["KINDS"]

FILE_CAP = 16 * 1024 * 1024


def _accounts(given: Given, making: Making) -> Verb:
    wishes = Accounts()
    for file in given["files"]:
        wishes += read_accounts(text_of(file, FILE_CAP), str(file))
    # A password is read where it is kept, each time: a rollout that goes on after a crash sends the same one.
    if given["passwords"] is None:
        return ApplyAccounts(wishes)
    return ApplyAccounts(wishes, passwords=GivenPasswords(given["passwords"]))


def _assign(given: Given, making: Making) -> Verb:
    add, remove = given["add"], given["remove"]
    if not add and not remove:
        raise UsageError("there is nothing to do: give add or remove, names of users")
    both = set(add) & set(remove)
    if both:
        raise UsageError(f"{min(both)} is to be given the role and to lose it")
    for name in (*add, *remove):
        check_name(name, "user")
    return AssignRole(check_name(given["role"], "role"), add, remove)


def _config(given: Given, making: Making) -> Verb:
    return SetConfig({name: as_text(value) for name, value in given["set"].items()})


def _tokens(given: Given, making: Making) -> Verb:
    if given["set"] is None and given["shared_key"] is None:
        raise UsageError("there is nothing to change: give set or shared_key")
    return SetTokens({name: as_text(value) for name, value in (given["set"] or {}).items()}, given["shared_key"])


def _rotate(given: Given, making: Making) -> Verb:
    if not SHORTEST <= given["length"] <= LONGEST:
        raise UsageError(f"length is {SHORTEST} to {LONGEST} characters")
    return RotatePsa(making.inventory, given["length"])


KINDS = (
    Kind(
        do="security.config.set",
        meaning="Change the security configuration, and nothing else of it; the site's REST and SOAP restart.",
        verbs=(SetConfig,),
        parameters=(Parameter(name="set", type="table", meaning=f"settings of {', '.join(CONFIG)}", required=True),),
        make=_config,
        undo="the settings that it had",
    ),
    Kind(
        do="security.tokens.set",
        meaning="Change how long tokens live, and how they can be had.",
        verbs=(SetTokens,),
        parameters=(
            Parameter(name="set", type="table", meaning=f"settings of {', '.join(TOKENS)}; times are minutes"),
            Parameter(name="shared_key", type="secret", meaning="a new shared key: every token is worthless"),
        ),
        make=_tokens,
        undo="the settings that it had; none where the shared key was changed",
    ),
    Kind(
        do="security.psa.enable",
        meaning="Let the primary site administrator sign in again.",
        verbs=(EnablePsa,),
        parameters=(),
        make=lambda given, making: EnablePsa(),
        undo="it is disabled again",
    ),
    Kind(
        do="security.psa.disable",
        meaning="Forbid the primary site administrator to sign in; another administrator must be signed in.",
        verbs=(DisablePsa,),
        parameters=(),
        make=lambda given, making: DisablePsa(),
        undo="it is enabled again",
    ),
    Kind(
        do="security.psa.rotate",
        meaning="Give the primary site administrator a new random password, and keep it where the old one lies.",
        verbs=(RotatePsa,),
        parameters=(Parameter(name="length", type="count", meaning="characters of the password", default=32),),
        make=_rotate,
        undo="none: the old password is not kept",
    ),
    Kind(
        do="security.accounts",
        meaning="Make users and roles as CSV files say, and leave all others alone.",
        verbs=(ApplyAccounts,),
        parameters=(
            Parameter(name="files", type="files", meaning="CSV files of users and of roles", required=True),
            Parameter(
                name="passwords",
                type="file",
                meaning="passwords of new users: a CSV with username, password and perhaps site, mode 0600",
            ),
        ),
        make=_accounts,
        undo="words, roles and privileges are set back, and new accounts removed; a user that was removed stays so",
    ),
    Kind(
        do="security.roles.assign",
        meaning="Give users a role, or take it from them; its other members are left alone.",
        verbs=(AssignRole,),
        parameters=(
            Parameter(name="role", type="text", meaning="the role", required=True),
            Parameter(name="add", type="texts", meaning="users who get it"),
            Parameter(name="remove", type="texts", meaning="users who lose it"),
        ),
        make=_assign,
        undo="who had it has it again",
    ),
)
"""The steps on security."""
