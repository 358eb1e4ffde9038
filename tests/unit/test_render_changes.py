"""What a change is told as: old and new of members, and of things that come and go."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.render.changes import old_to_new


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("STARTED", "deleted", "STARTED → deleted"),
        ({"max": 2, "min": 1}, {"max": 4, "min": 1}, "max 2 → 4"),
        ({"realTimeState": "STOPPED"}, {"realTimeState": "STARTED"}, "realTimeState STOPPED → STARTED"),
        (None, {"location": "/backup"}, "location /backup"),
        ({"fullname": "A. Smith", "roles": ["makers"]}, "deleted", '→ deleted (fullname A. Smith, roles ["makers"])'),
        ({"a": 1}, {}, "a 1 → –"),
        (None, None, ""),
    ],
)
def test_a_change_is_told_by_what_differs(old: Any, new: Any, told: str) -> None:
    assert old_to_new(old, new) == told
