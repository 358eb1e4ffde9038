"""Whatever a site tells of its settings, data and usage: it is judged or shown, and nothing breaks, and no secret is seen."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from fleet.aggregate.usage import METRICS
from fleet.bulk.data import repointed
from fleet.errors import UsageError
from fleet.rows.data import item_row, shown_info
from fleet.rows.security_rules import CHECKS, Facts, findings
from fleet.rows.usage import Period, used_in

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
SETTINGS = (
    *("sslEnabled", "httpEnabled", "httpsProtocols", "cipherSuites", "HSTSEnabled", "securityEnabled", "properties"),
    *("standardizedQueries", "featureServiceXSSFilter", "servicesDirEnabled", "allowedOrigins", "disabled"),
    *("callbackFunctionsEnabled", "virtualDirsSecurityEnabled"),
)
TOKENS = ("shortTimeout", "longTimeout", "allowHttpGet", "allowHttpPostQueryParams", "sharedKeyModified")
parts = st.dictionaries(st.sampled_from(SETTINGS), anything, max_size=6)


@given(
    parts, st.dictionaries(st.sampled_from(TOKENS), anything, max_size=5), st.lists(st.text(max_size=10), max_size=9)
)
def test_every_check_comes_to_one_finding(settings: dict[str, Any], tokens: dict[str, Any], names: list[str]) -> None:
    told = dict.fromkeys(("config", "properties", "servicesdirectory", "psa"), settings)
    told |= {part: {"names": names} for part in ("unfiltered", "everyone", "system")}
    told["tokens"] = {**settings, "properties": tokens}

    found = findings(Facts("https://gis.example.com/arcgis", 1.8e9, told))

    assert sorted(one.check for one in found) == sorted(CHECKS)
    assert {one.severity for one in found} <= {"critical", "important", "recommended", "unknown", "ok"}


@given(st.sampled_from(sorted({part for part, _ in CHECKS.values() if part})))
def test_what_was_not_read_is_unknown(part: str) -> None:
    found = findings(Facts("https://gis.example.com/arcgis", 1.8e9, {}, {part: "forbidden"}))

    assert {one.severity for one in found if one.check != "inventory-url"} == {"unknown"}


secrets = st.text(st.characters(categories=["L", "N"]), min_size=14, max_size=20)


@given(secrets, st.sampled_from(["PASSWORD", "ENCRYPTED_PASSWORD", "Encrypted_Password_Utf8", "pwd"]), anything)
def test_no_row_of_an_item_shows_its_password(secret: str, name: str, more: Any) -> None:
    assume(secret not in json.dumps(more))
    text = f"SERVER=db1;{name}={secret};DATABASE=gis"
    inside = {"connectionString": json.dumps({"accountKey": secret, "more": more}), "secretKey": secret, "more": more}
    for info in ({"connectionString": text, "password": secret}, inside, {"nested": [{"info": inside}]}):
        item = {"path": "/x/y", "type": "egdb", "info": info}

        assert secret not in json.dumps(item_row(item), default=str)
        assert secret not in json.dumps(shown_info(item), default=str)


@given(anything, st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), min_size=1, max_size=2))
def test_an_item_is_repointed_or_refused(info: Any, values: dict[str, str]) -> None:
    item = {"path": "/x/y", "info": info}
    try:
        changed = repointed(item, values)
    except UsageError:
        return
    assert changed["path"] == "/x/y"
    assert set(changed["info"]) == set(info)


@given(
    st.dictionaries(st.sampled_from(["time-slices", "report-data"]), anything, max_size=2),
    st.lists(
        st.fixed_dictionaries(
            {
                "resourceURI": st.sampled_from(["services/A/B.MapServer", "services/", "x", None]),
                "metric-type": st.sampled_from([*METRICS, "Other", None]),
                "data": st.lists(scalars, max_size=4) | scalars,
            }
        ),
        max_size=4,
    ),
    st.lists(scalars, max_size=4),
)
def test_usage_is_read_whatever_it_is(odd: dict[str, Any], told: list[dict[str, Any]], slices: list[Any]) -> None:
    period = Period.last(86_400, now=1.8e9)
    for report in (odd, {"time-slices": slices, "report-data": [told, *told]}):
        for answer in ({"report": report}, {"report": told}, report):
            for one in used_in(answer, period, METRICS):
                assert str(one.service) == "A/B.MapServer"
                assert all(total.value is None or total.value >= 0 for total in one.numbers.values())
