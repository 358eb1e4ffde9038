"""The reference of the steps of a rollout, docs/reference/rollout-steps.md, made from the code.

Run it after a change of a step's parameters: `make pages`. A test says when that was forgotten.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from fleet.rollout.steps import KINDS, Kind

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "rollout-steps.md"
BEGIN = "<!-- from here on made by `make pages` -->\n"


def generated() -> str:
    """What stands below `BEGIN`."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "\n## What a rollback does\n"
    yield "| `do` | interrupts | goes on by itself after a crash | a rollback |"
    yield "|---|---|---|---|"
    for kind in KINDS.values():
        undo = _cell(kind.undo or "nothing: there is no state to put back")
        yield f"| `{kind.do}` | {_interrupts(kind)} | {_resumes(kind)} | {undo} |"
    yield "\n## Parameters\n"
    for kind in KINDS.values():
        yield f"### {kind.do}\n"
        yield f"{kind.meaning}\n"
        if not kind.parameters:
            yield "No parameters.\n"
            continue
        yield "| Parameter | What it takes | Default | What it means |"
        yield "|---|---|---|---|"
        for one in kind.parameters:
            default = "**needed**" if one.required else one.default_words
            yield f"| `{one.name}` | {_cell(one.words)} | {_cell(default)} | {_cell(one.meaning)} |"
        yield ""


def _interrupts(kind: Kind) -> str:
    told = {getattr(verb, "disrupts", False) for verb in kind.verbs}
    # A property says it of each verb as it was made.
    return "it depends" if any(isinstance(one, property) for one in told) else "yes" if True in told else "no"


def _resumes(kind: Kind) -> str:
    told = [verb.resumes for verb in kind.verbs]
    return "yes" if all(told) else "no" if not any(told) else "where it remembers"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> int:
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(text.partition(BEGIN)[0] + BEGIN + generated(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
