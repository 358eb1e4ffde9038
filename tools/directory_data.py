"""What the simulator's pages know of the API: paths, methods and parameters of every operation, as data of its own.

The simulator imports nothing of the catalogue, so the pages have a copy. Run it after a change of the catalogue:
`make pages`. A test says when that was forgotten.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fleet.admin.catalogue import Entry, catalogue

DATA = Path(__file__).resolve().parent.parent / "fleet" / "simulator" / "directory" / "operations.json"


def generated() -> str:
    """The data: an operation a line, in the order of the catalogue."""
    lines = [json.dumps(_operation(entry), ensure_ascii=False) for entry in catalogue().entries]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _operation(entry: Entry) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": entry.name,
        "path": entry.full_path.strip("/"),
        "method": entry.method,
        "since": entry.since,
        "params": [
            {
                key: value
                for key in parameter.__struct_fields__
                if (value := getattr(parameter, key)) not in (None, (), "")
            }
            for parameter in entry.params
        ],
    }
    if entry.also_at:
        told["also"] = list(entry.also_at)
    if entry.base == "portal":
        told["portal"] = True
    if not entry.token:
        told["token"] = False
    if entry.binary:
        told["binary"] = True
    return told


if __name__ == "__main__":
    DATA.write_text(generated(), encoding="utf-8")
