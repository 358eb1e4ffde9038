"""Redaction: nothing secret stays, what is none does, and no text makes it slow."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.protocol.redact import redacted

texts = st.text(max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
SECRET = "Zq8-secretive"
NAMES = (
    "password", "PASSWORD", "ENCRYPTED_PASSWORD_UTF8", "sharedKey", "shared_key", "secretKey", "client_secret", "token",
    "accessToken", "webgisServerTrustKey", "privateKey", "accountKey", "storageAccountKey", "credential", "pwd", "apiKey",
)  # fmt: skip


@given(values)
def test_redacting_twice_is_redacting_once(value: Any) -> None:
    once = redacted(value)
    assert redacted(once) == once


@given(values, st.sampled_from(NAMES), st.sampled_from(["member", "list", "inside", "json", "string", "quoted"]))
def test_what_stands_under_the_name_of_a_secret_is_gone(around: Any, name: str, form: str) -> None:
    held: Any = {
        "member": {name: SECRET},
        "list": {name: [SECRET, {"x": SECRET}]},
        "inside": {"connectionString": f"SERVER=db;{name}={SECRET};USER=gis"},
        "json": {"properties": json.dumps({"a": [{name: SECRET}]})},
        "string": f"{name} = {SECRET}",
        "quoted": f'could not parse "{name}": "{SECRET}',
    }[form]
    assert SECRET not in json.dumps(redacted({"a": around, "b": [held]}))


@pytest.mark.parametrize(
    "value",
    [
        {"tokenServicesUrl": "https://gis.example.com:6443/arcgis/tokens/"},
        {"shortLivedTokenValidity": 60, "isTokenBasedSecurity": True, "isAsync": "true", "publicKey": "10001"},
        {"url": "http://gis.example.com:6080/arcgis?where=a@b"},
        {"connectionString": "SERVER=db;INSTANCE=sde:oracle:db;USER=gis;VERSION=sde.DEFAULT"},
        {"password": None, "secret": "", "sharedKey": False},
        {"jsonProperties": '{"a": 1,  "b": [2]}'},
    ],
)
def test_what_is_no_secret_stays_as_it_is(value: Any) -> None:
    assert redacted(value) == value


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000 + ":",
        "password" * 100_000 + ":",
        '"password' * 100_000 + ":",
        '"password":"' * 50_000,
        "://a:" * 200_000,
        "-----BEGIN PRIVATE KEY-----" * 30_000,
        "password=" * 100_000,
        "[" * 100_000 + ":",
    ],
    ids=lambda text: text[:12],
)
def test_no_text_makes_it_slow(text: str) -> None:
    began = time.process_time()
    redacted({"message": text})
    assert time.process_time() - began < 5.0
