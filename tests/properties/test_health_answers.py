"""Whatever a site answers, a sweep comes to one outcome for it, says something of every check, and believes no lie."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.client.settings import RetryPolicy
from fleet.fanout.fleet import Fleet
from fleet.health import HealthOptions, sweep
from fleet.outcome import Answered
from fleet.render.monitors import as_junit, as_nagios
from fleet.render.sweep import health_lines
from fleet.report import Report
from tests.liar import HONEST, Liar, lying

ALL = HealthOptions(also=("datastores", "machine_certificates", "log_errors", "public"), since=3600.0)
AT_ONCE = RetryPolicy(base=0.0, cap=0.0)

WORDS = ["", "a", "/", "..", ".", "STARTED", "STOPPED", "true", "1", "-1", "a/b", "a%2f", "\x1b[2J", "‮", "9" * 18]
DATES = ["Fri Feb 30 10:10:10 UTC 2026", "Fri Feb 30 10:10:10 UTC 0001", "Sat Jan 01 00:00:00 UTC 9999"]
NUMBERS = [0, 1, -1, 2**31, 2**63, -(2**63), 1.5, -0.0, 1e308, 4_102_444_800_000]
KEYS = sorted({key for answer in HONEST.values() for key in answer} | {"error", "code", "messages", "detail", "name"})

leaves = st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.sampled_from(WORDS + DATES)
junk = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def changed(value: Any, path: tuple[Any, ...], put: Any) -> Any:
    """*value* with *put* at *path*; without what stands there where *put* is `...`."""
    if not path:
        return None if put is ... else put
    value = copy.copy(value)
    if len(path) > 1:
        value[path[0]] = changed(value[path[0]], path[1:], put)
    elif put is ...:
        del value[path[0]]
    else:
        value[path[0]] = put
    return value


@st.composite
def lies(draw: st.DrawFn) -> dict[str, Any]:
    """Answers of a healthy site, some of them bent: members replaced or left out, or another HTTP status."""
    told: dict[str, Any] = {}
    for resource in draw(st.lists(st.sampled_from(sorted(HONEST)), min_size=1, max_size=6, unique=True)):
        value = copy.deepcopy(HONEST[resource])
        for _ in range(draw(st.integers(0, 3))):
            value = changed(value, draw(st.sampled_from(list(places(value)))), draw(st.just(...) | junk))
        status = draw(st.sampled_from([200] * 8 + [401, 403, 404, 500, 503]))
        told[resource] = (status, value)
    return told


async def swept(liar: Liar, options: HealthOptions = ALL) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inventory.toml"
        path.write_text(liar.inventory + "retries = 0\n", encoding="utf-8")
        async with Fleet.from_inventory(path, timeout=20, retry=AT_ONCE) as fleet:
            return await sweep(fleet.select(), options)


@settings(max_examples=settings.default.max_examples * 2)  # type: ignore[union-attr]
@given(lies())
def test_no_answer_of_a_site_raises_anything_out_of_a_sweep(told: dict[str, Any]) -> None:
    async def go() -> Report:
        async with lying() as liar:
            liar.answers.update(told)
            return await swept(liar)

    report = anyio.run(go)
    (outcome,) = report.outcomes
    value: Any = outcome.value
    assert len(value["checks"]) == 13
    for check in value["checks"]:
        assert check["status"] in ("ok", "warning", "critical", "unknown", "skipped")
        assert check["saw"]
        assert check["wanted"]
        assert check["advice"] or check["status"] == "ok"
        assert all(isinstance(item, str) for item in check["items"])
    worst = {check["status"] for check in value["checks"]}
    assert isinstance(outcome, Answered) == worst.isdisjoint({"critical", "unknown"})
    json.dumps(report.to_dict(), allow_nan=False)
    assert health_lines(report)
    assert as_junit(report)
    assert as_nagios(report)[1] in (0, 1, 2, 3)


UNNEEDED = {
    "adminURL", "aliasName", "expires", "startTime", "endTime", "hasMore", "name", "isStatisticsAvailable",
    "currentVersion", "fullVersion", "level", "edition", "features", "extensions", "folderName",
}  # fmt: skip
"""Members that no check needs, or that another one can stand for."""

FALLBACK = (
    "admin/services/Planning",
    "admin/services/Roads.MapServer/status",
    "admin/services/Planning/Zones.MapServer/status",
)

NEEDED = [
    (resource, path)
    for resource, answer in sorted(HONEST.items())
    for path in places(answer)
    if path
    and resource not in FALLBACK
    and path[-1] not in UNNEEDED
    and not isinstance(path[-1], int)
    and path != ("level", "expiration")
]
"""Every member that the checks of a healthy site rest on."""


@pytest.mark.parametrize(
    ("resource", "path"), NEEDED, ids=lambda value: value if isinstance(value, str) else ".".join(map(str, value))
)
def test_what_a_check_needs_to_know_and_is_not_told_is_never_well(resource: str, path: tuple[Any, ...]) -> None:
    async def go() -> list[Report]:
        async with lying() as liar:
            reports = [await swept(liar)]
            for put in (..., None, {}, [None], "..", 7.5):
                liar.answers[resource] = changed(copy.deepcopy(HONEST[resource]), path, put)
                reports.append(await swept(liar))
            return reports

    honest, *lied = (report.outcomes[0] for report in anyio.run(go))
    assert honest.ok
    for outcome in lied:
        assert not outcome.ok
        value: Any = outcome.value
        # A state by another name than STARTED is a service that does not run.
        assert value["status"] == ("critical" if outcome.outcome == "failed" else "unknown")
        assert outcome.outcome in ("protocol", "failed")


@pytest.mark.parametrize("resource", [resource for resource in sorted(HONEST) if resource not in FALLBACK])
def test_an_empty_object_is_no_answer_to_anything(resource: str) -> None:
    async def go() -> Report:
        async with lying() as liar:
            liar.answers[resource] = {}
            return await swept(liar)

    (outcome,) = anyio.run(go).outcomes
    assert outcome.outcome == "protocol"
    value: Any = outcome.value
    unknown = [check for check in value["checks"] if check["status"] == "unknown"]
    assert unknown
    assert all(check["error"]["kind"] == "protocol" for check in unknown)


@pytest.mark.parametrize("name", [".", ".."])
@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ("admin/machines", ("machines", 0, "machineName")),
        ("admin/services", ("folders", 0)),
        ("admin/services", ("services", 0, "folderName")),
        ("admin/services", ("services", 0, "serviceName")),
        ("admin/services", ("services", 0, "type")),
        ("admin/services/report", ("reports", 0, "serviceName")),
        ("admin/machines/M1/sslcertificates", ("certificates", 0)),
    ],
)
def test_rule_n10_a_name_that_would_change_the_path_is_that_site_s_bad_answer(
    resource: str, path: tuple[Any, ...], name: str
) -> None:
    async def go() -> tuple[Report, list[str]]:
        async with lying() as liar:
            liar.answers[resource] = changed(copy.deepcopy(HONEST[resource]), path, name)
            return await swept(liar), liar.asked

    report, asked = anyio.run(go)
    (outcome,) = report.outcomes
    assert outcome.outcome == "protocol"
    assert f"names '{name}'" in outcome.error.message  # type: ignore[union-attr]
    assert all("." not in path.split("/") and ".." not in path.split("/") for path in asked)


def test_a_report_that_leaves_out_what_is_listed_is_not_believed() -> None:
    async def go() -> tuple[Report, list[str]]:
        async with lying() as liar:
            liar.answers["admin/services/report"] = {"reports": []}
            liar.answers["admin/services/Roads.MapServer/status"] = {
                "configuredState": "STARTED", "realTimeState": "STOPPED",
            }  # fmt: skip
            return await swept(liar, HealthOptions(only=("services",))), liar.asked

    report, asked = anyio.run(go)
    (outcome,) = report.outcomes
    assert outcome.outcome == "failed"
    assert "1 of 2 stopped that should run" in outcome.error.message  # type: ignore[union-attr]
    assert "admin/services/Roads.MapServer/status" in asked


def test_a_list_without_end_is_refused() -> None:
    async def go() -> Report:
        async with lying() as liar:
            liar.answers["admin/services"] = {"folders": [f"F{n}" for n in range(50_001)], "services": []}
            return await swept(liar, HealthOptions(only=("services",)))

    (outcome,) = anyio.run(go).outcomes
    assert outcome.error.kind == "too_large"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("release", "status"), [("10.3.1", "skipped"), ("10.4.0", "unknown"), ("11.3.0", "unknown"), (None, "unknown")]
)
def test_a_mode_that_is_not_there_is_missing_only_where_the_release_should_have_it(
    release: str | None, status: str
) -> None:
    async def go() -> Report:
        async with lying() as liar:
            del liar.answers["admin/mode"]
            liar.answers["rest/info"] = {} if release is None else {"fullVersion": release}
            return await swept(liar, HealthOptions(only=("mode",)))

    (outcome,) = anyio.run(go).outcomes
    value: Any = outcome.value
    assert value["checks"][0]["status"] == status
    assert outcome.ok == (status == "skipped")


def test_a_health_check_that_is_not_there_is_skipped() -> None:
    async def go() -> Report:
        async with lying() as liar:
            del liar.answers["rest/info/healthCheck"]
            return await swept(liar)

    (outcome,) = anyio.run(go).outcomes
    assert outcome.ok
    value: Any = outcome.value
    assert next(check for check in value["checks"] if check["check"] == "healthcheck")["status"] == "skipped"


@pytest.mark.parametrize(
    ("broken", "down", "seen"),
    [
        (["admin/machines/M1/status"], "admin/machines/M2/status", ["M2 is STOPPED", "M1: no."]),
        (
            ["admin/services/Planning", "admin/services/Planning/report"],
            "admin/services/report",
            ["Roads.MapServer is STOPPED", "folder Planning: no."],
        ),
    ],
    ids=["machine", "folder"],
)
def test_what_can_t_be_asked_does_not_hide_what_is_down(broken: list[str], down: str, seen: list[str]) -> None:
    failure = {"status": "error", "messages": ["no."], "code": 500}
    name = broken[0].split("/")[1]

    async def go() -> tuple[Report, Report]:
        async with lying() as liar:
            liar.answers.update(dict.fromkeys(broken, failure))
            before = await swept(liar, HealthOptions(only=(name,)))
            told = json.dumps(liar.answers[down]).replace('"realTimeState": "STARTED"', '"realTimeState": "STOPPED"')
            liar.answers[down] = json.loads(told)
            return before, await swept(liar, HealthOptions(only=(name,)))

    before, after = (report.outcomes[0] for report in anyio.run(go))
    unread: Any = before.value
    assert (unread["checks"][0]["status"], unread["checks"][0]["error"]["kind"]) == ("unknown", "server")
    assert unread["checks"][0]["items"] == seen[1:]
    ill: Any = after.value
    assert (ill["checks"][0]["status"], ill["checks"][0]["items"]) == ("critical", seen)
