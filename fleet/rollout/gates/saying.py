"""From what each site says to what the gate says: go, no, or cannot tell, with those that made it say so. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from fleet.rollout.spec import Amount
from fleet.rollout.verdict import GateAnswer, Verdict

__all__ = ["NONE", "SHOWN", "Said", "SiteAnswer", "cut", "gathered"]

SiteAnswer: TypeAlias = Literal["go", "no", "cannot_tell", "ignored"]

NONE = Amount(0)

SHOWN = 20
"""Sites of each kind that are told with what was seen; the others are counted."""

NAMED = 3
"""Sites that the sentence names."""

LONG = 200
"""Characters of a text out of a site that are kept."""

NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one site says, *why*, and what was seen there (small JSON).

    `ignored` is a site of which nothing could be known before either: it has no say, and is told.
    """

    answer: SiteAnswer
    why: str = ""
    saw: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


def cut(text: str) -> str:
    """The beginning of *text*, which may come from a site."""
    return text if len(text) <= LONG else text[: LONG - 1] + "…"


def gathered(said: Mapping[str, Said], *, may_say_no: Amount = NONE, lost: Sequence[str] = ()) -> Verdict:
    """What the gate says where its sites said *said*, in inventory order; *lost* are those that the wave lost itself.

    *may_say_no* is how many of the sites may do so. A site that cannot tell is, at the worst, a no: where those that said
    no are few enough, and would not be with it, the gate cannot tell. It says go only where a site does.
    """
    allowed = may_say_no.of(len(said))
    found = {answer: [site for site, one in said.items() if one.answer == answer] for answer in _ORDER}
    against, unsure, well, ignored = (found[answer] for answer in _ORDER)
    answer: GateAnswer = "go"
    made: Sequence[str] = ()
    if len(against) > allowed:
        answer, made = "no", against
    elif len(against) + len(unsure) > allowed:
        answer, made = "cannot_tell", [*unsure, *against]
    elif not well:
        answer, made = "cannot_tell", [*unsure, *against, *ignored]
    data: dict[str, Any] = {"asked": len(said)}
    if allowed:
        data["may_say_no"] = allowed
    for word in _ORDER:
        sites = [site for site in found[word] if word != "go" or said[site].saw]
        if sites:
            data[word] = _shown(said, sites)
    if lost:
        data["lost"] = _named_only(lost)
    return Verdict(answer=answer, why=_sentence(answer, said, made, len(well)), sites=tuple(made), data=data)


_ORDER: tuple[SiteAnswer, ...] = ("no", "cannot_tell", "go", "ignored")


def _sentence(answer: GateAnswer, said: Mapping[str, Said], made: Sequence[str], well: int) -> str:
    total = f"{len(said)} site{'' if len(said) == 1 else 's'}"
    if answer == "go":
        return f"{well} of {total} well" if well < len(said) else f"all of {total} well"
    if not said:
        return "no site of the wave is left to ask"
    what = "say no" if answer == "no" else "can't be told"
    parts = [f"{site}: {said[site].why}" for site in made[:NAMED]]
    more = f"; and {len(made) - NAMED} more" if len(made) > NAMED else ""
    return f"{len(made)} of {total} {what}: {'; '.join(parts)}{more}"


def _shown(said: Mapping[str, Said], sites: Sequence[str]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "count": len(sites),
        "sites": {site: {"why": said[site].why, **said[site].saw} for site in sites[:SHOWN]},
    }
    if len(sites) > SHOWN:
        told["more"] = len(sites) - SHOWN
    return told


def _named_only(sites: Sequence[str]) -> dict[str, Any]:
    told: dict[str, Any] = {"count": len(sites), "sites": list(sites[:SHOWN])}
    if len(sites) > SHOWN:
        told["more"] = len(sites) - SHOWN
    return told
