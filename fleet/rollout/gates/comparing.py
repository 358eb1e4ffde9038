"""A sweep beside the one from before the wave: what is newly wrong on a site, check by check and item by item. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from fleet.rollout.gates.saying import Said, cut

__all__ = ["CHOICES", "Look", "No", "Seen", "compared", "kept", "look_of"]

No: TypeAlias = Literal["new_failures", "any_failure", "new_warnings"]
CHOICES: tuple[No, ...] = ("new_failures", "any_failure", "new_warnings")

NAMED = 5
"""Items and checks that are told of one site; the others are counted."""

LEVEL = {"skipped": 0, "ok": 0, "warning": 1, "critical": 2}

NOT_ASKED = frozenset({"cancelled", "deadline", "config", "circuit_open"})
"""Kinds of errors with which nothing was sent: what the site is now, nobody has seen."""

_SUBJECT = {
    "machines": re.compile(r"(.+?)(?: is |: )", re.DOTALL),
    "services": re.compile(r"(.+?)(?: is | does not |: )", re.DOTALL),
    "instances": re.compile(r"(.+?)(?:: |\Z)", re.DOTALL),
    "datastores": re.compile(r"(.+?)(?:: |\Z)", re.DOTALL),
    "public": re.compile(r"(.+?)(?:: |\Z)", re.DOTALL),
    "license": re.compile(r"(.+) (?:ends|ended) ", re.DOTALL),
    "machine_certificates": re.compile(r"(.+) (?:ends|ended) ", re.DOTALL),
}
"""What an item of our own checks is about; behind it stand a state, a count or a time, which may move."""

NO_ITEMS = frozenset({"tls", "log_errors"})
"""Checks whose items are texts about one thing, and no list of things: their status alone is compared."""

NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a check came to: its status, what it saw, and the things concerned."""

    status: str
    saw: str = ""
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """What a sweep saw of a site: its checks by name, and the kind of error and its text where it could not be asked.

    `asked` says whether any check could be carried out.
    """

    checks: Mapping[str, Seen] = field(default_factory=lambda: NOTHING)
    kind: str | None = None
    error: str = ""

    @property
    def asked(self) -> bool:
        """Whether the site could be asked: at least one check came to something."""
        return any(seen.status in ("ok", "warning", "critical") for seen in self.checks.values())


def look_of(value: Any, kind: str | None = None, error: str = "") -> Look:
    """The look in *value*, the value of a site in a sweep's report, or None; *kind* and *error* are its outcome's."""
    rows = value.get("checks") if isinstance(value, Mapping) else None
    return Look(
        {
            row["check"]: Seen(row["status"], row["saw"], tuple(row["items"]))
            for row in (rows if isinstance(rows, list) else [])
        },
        kind,
        error,
    )


def kept(look: Look) -> Any:
    """What a baseline keeps of *look*: only what is not well, and of items a digest of 10 characters each.

    `{check: [status, [digest, …]]}`, or the kind of the error as a text where the site could not be asked.
    """
    if not look.asked:
        return look.kind or "unknown"
    return {
        name: [seen.status, sorted(_things(name, seen))]
        for name, seen in look.checks.items()
        if seen.status in ("warning", "critical", "unknown")
    }


def _things(check: str, seen: Seen) -> dict[str, str]:
    """Digest -> item, for each thing that *seen* is about."""
    if check in NO_ITEMS:
        return {}
    found: dict[str, str] = {}
    pattern = _SUBJECT.get(check)
    for item in seen.items:
        match = None if pattern is None else pattern.match(item)
        subject = item if match is None else match[1]
        found.setdefault(_digest(check, subject), item)
    return found


def _digest(check: str, subject: str) -> str:
    return hashlib.blake2s(f"{check}\0{subject}".encode(errors="surrogatepass"), digest_size=5).hexdigest()


def compared(before: Any, now: Look, no: No) -> Said:
    """What a site says that was *before* (`kept`; None where nothing is known) and is *now*, where *no* is a no.

    A check that was as bad before is no news; one that is worse, or about things that it was not about before, is. A
    site, or a check, that could not be asked before has no say as long as it can't be asked.
    """
    if no == "any_failure":
        before = {}
    elif isinstance(before, str):
        if now.asked:
            return Said(answer="ignored", why=f"it could not be asked before the wave ({before}), and now can")
        return Said(answer="ignored", why=f"it could not be asked before the wave either ({before})")
    elif not _is_kept(before):
        return Said(answer="cannot_tell", why="nothing is known of it from before the wave")
    if not now.asked:
        if now.kind in NOT_ASKED or now.kind is None:
            return Said(answer="cannot_tell", why=cut(now.error or "it was not asked"))
        was = "it can't be asked" if no == "any_failure" else "it could be asked before the wave, and can't now"
        return Said(answer="no", why=cut(f"{was}: {now.error}"), saw={"kind": now.kind})
    news: dict[str, str] = {}
    unsure: dict[str, str] = {}
    known: list[str] = []
    for name in sorted(now.checks):
        answer, why = _judged(name, before.get(name), now.checks[name], no)
        if answer == "no":
            news[name] = why
        elif answer == "cannot_tell":
            unsure[name] = why
        elif answer == "ignored":
            known.append(name)
    gone = sorted(name for name in before if name not in now.checks)
    for name in gone:
        unsure[name] = f"{name} was carried out before the wave, and was not now"
    saw = {"known": known} if known else {}
    if news:
        return Said(answer="no", why=cut("; ".join(news.values())), saw={"checks": list(news), **saw})
    if unsure:
        return Said(answer="cannot_tell", why=cut("; ".join(unsure.values())), saw={"checks": list(unsure), **saw})
    return Said(answer="go", saw=saw)


def _judged(name: str, was: Sequence[Any] | None, now: Seen, no: No) -> tuple[str, str]:
    """What one check says, and why; `ignored` is one that is as bad as it was."""
    told = f"{name} is {now.status}: {now.saw}" if now.saw else f"{name} is {now.status}"
    status = "ok" if was is None else was[0]
    if now.status == "unknown":
        if status == "unknown":
            return "ignored", ""
        return "cannot_tell", told
    if LEVEL[now.status] < (1 if no == "new_warnings" else 2):
        return "go", ""
    if status == "unknown":
        return "cannot_tell", f"{told}; it could not be carried out before the wave"
    if LEVEL[status] < LEVEL[now.status]:
        return "no", f"{told}{_listed(list(now.items))}"
    things, before = _things(name, now), set() if was is None else set(was[1])
    if things and not before and name not in NO_ITEMS:
        return "cannot_tell", f"{told}; before the wave it did not say what it is about"
    new = [item for digest, item in things.items() if digest not in before]
    return ("no", f"{told}, and new is{_listed(new)}") if new else ("ignored", "")


def _listed(items: Sequence[str]) -> str:
    if not items:
        return ""
    more = f" and {len(items) - NAMED} more" if len(items) > NAMED else ""
    return f" ({', '.join(items[:NAMED])}{more})"


def _is_kept(before: Any) -> bool:
    """Whether *before* is what `kept` makes of a site that could be asked."""
    return isinstance(before, Mapping) and all(
        isinstance(one, Sequence)
        and not isinstance(one, str)
        and len(one) == 2
        and one[0] in ("warning", "critical", "unknown")
        and isinstance(one[1], Sequence)
        for one in before.values()
    )
