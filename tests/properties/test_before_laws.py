"""Laws of what is compared before and after an upgrade, of names of machines, of the load that others carry, of fingerprints."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fleet.bulk.machines import ChosenMachines
from fleet.bulk.rolling import left_alone
from fleet.health.before import compare, record_of
from fleet.rows.certificates import fingerprint

names = st.text("abcAB/.-", min_size=1, max_size=6)
values = st.none() | st.booleans() | st.integers(-5, 5) | st.text("xyz", max_size=3)
states = st.sampled_from(("STARTED", "STOPPED"))


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    services = draw(st.lists(names, unique=True, max_size=5))
    pieces: dict[str, Any] = {"services/states/-": {one: {"realTimeState": draw(states)} for one in services}}
    for one in services:
        pieces[f"services/definition/{one}"] = draw(st.dictionaries(names, values, max_size=3))
    pieces["system/properties"] = draw(st.dictionaries(names, values, max_size=3))
    pieces["site/info"] = {"fullVersion": "11.1.0", "currentbuild": draw(st.integers(1, 3))}
    return record_of(pieces, draw(st.sampled_from(("11.1", "11.3"))))


def told(rows: list[dict[str, Any]], check: str) -> str:
    return next((row["status"] for row in rows if row["check"] == check), "ok")


@given(records())
def test_a_site_does_not_differ_from_itself(record: dict[str, Any]) -> None:
    assert {row["status"] for row in compare(record, record, moved=False)} == {"ok"}
    assert told(compare(record, record), "release") == "critical"


@given(records(), records())
def test_what_differs_one_way_differs_the_other_way(one: dict[str, Any], other: dict[str, Any]) -> None:
    there, back = compare(one, other), compare(other, one)
    for check in ("states", "definitions", "properties"):
        assert told(there, check) == told(back, check)
    assert (told(there, "services") == "critical") == (told(back, "new services") == "warning")


@given(st.text("ABCXYZ-", min_size=1, max_size=8), st.text("abc.", max_size=8))
def test_a_machine_is_named_with_or_without_its_domain(name: str, domain: str) -> None:
    whole = f"{name}.{domain}" if domain else name
    for text in (whole, whole.lower(), name, f"{name[:1]}*", "*"):
        assert ChosenMachines((text,)).match(whole)
    assert not ChosenMachines((f"{name}?",)).match(name)


@given(st.binary(min_size=20, max_size=20))
def test_a_fingerprint_is_the_same_however_it_is_written(digest: bytes) -> None:
    plain = digest.hex()
    pairs = [plain[place : place + 2] for place in range(0, 40, 2)]
    assert {fingerprint(text) for text in (plain, ":".join(pairs).upper(), " ".join(pairs))} == {plain}
    assert fingerprint(None) == ""


counts = st.integers(0, 3)


@given(st.lists(st.tuples(counts, counts, st.booleans()), min_size=2, max_size=4))
def test_a_service_is_left_alone_where_only_the_stopped_machine_has_an_instance(
    machines: list[tuple[int, int, bool]],
) -> None:
    rows = [
        {
            "service": "Roads.MapServer",
            "machineName": f"M{place}",
            "busy": busy,
            "free": str(free),
            "max": 4,
            "isStatisticsAvailable": counted,
        }
        for place, (busy, free, counted) in enumerate(machines)
    ]
    running = {f"M{place}" for place in range(1, len(machines))}
    here, *there = (busy + free if counted else 0 for busy, free, counted in machines)

    found = left_alone(rows, "M0", running)

    assert bool(found) == (here > 0 and sum(there) == 0)
    assert [deployed for _, deployed in found] == [any(counted for _, _, counted in machines[1:])] * len(found)
    assert bool(left_alone(rows, "M0", set())) == (here > 0)
