"""What is secret by its name, in traces, in questions, in the audit log, and in addresses, where nothing secret goes."""

from __future__ import annotations

import pytest

from fleet.admin.catalogue import operation_for
from fleet.admin.operation import Operation
from fleet.admin.request import build_request
from fleet.client.trace import Exchange, render_exchange
from fleet.protocol.message import Request, Response
from fleet.protocol.secret_names import is_secret_name
from fleet.rows.system import shown


@pytest.mark.parametrize(
    "name",
    ["password", "newPassword", "adminPwd", "keystorePassword", "certPassword", "client_secret", "token", "sharedKey"],
)
def test_secrets_are_known_by_the_ends_of_their_names(name: str) -> None:
    assert is_secret_name(name)
    operation, _ = operation_for("admin/some/thing", method="GET", parameters={name: "hunter22"})
    assert name in operation.secrets


@pytest.mark.parametrize(
    "name", ["tokenServicesUrl", "shortLivedTokenValidity", "username", "level", "passwordless", "key"]
)
def test_other_names_are_no_secrets(name: str) -> None:
    assert not is_secret_name(name)


def test_rule_t1_a_read_with_a_secret_parameter_is_no_address() -> None:
    request = build_request(
        Operation(name="x", path="admin/x", parameters={"password": "hunter22"}, secrets=frozenset({"password"})),
        "https://gis.example.com/arcgis",
        token="t" * 20,
    )
    assert (request.method, dict(request.query)) == ("POST", {})
    assert request.form["password"] == "hunter22"


def test_rule_o3_a_trace_masks_secrets_by_name_in_forms_queries_and_json() -> None:
    request = Request(
        method="POST",
        url="https://gis.example.com/arcgis/admin/x",
        query={"adminPwd": "hunter22"},
        form={"newPassword": "hunter22", "user": '{"name":"kari","password":"hunter22"}', "level": "INFO"},
    )
    body = b'{"certPassword":"hunter22","store":"{\\"userPassword\\":\\"hunter22\\"}","tokenServicesUrl":"https://x"}'
    response = Response(status=200, headers={"Set-Cookie": "agstoken=hunter22"}, body=body + b" " * 30_000 + b"the end")
    text = render_exchange(Exchange(site="oslo", request=request, response=response, error=None, elapsed=0.1))
    assert "hunter22" not in text
    assert text.count("***") == 6
    assert "kari" in text
    assert "https://x" in text
    assert text.endswith("the end"), "a trace is not cut"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("connectionString", "BlobEndpoint=https://store.example.net;AccountName=gis;AccountKey=c2VjcmV0cw=="),
        ("httpProxy", "http://gis:c2VjcmV0cw==@proxy.example.net:8080"),
        ("privateKey", ["c2VjcmV0cw=="]),
        ("store", {"note": '{"sharedKey": "c2VjcmV0cw=="}'}),
    ],
)
def test_a_secret_inside_of_what_a_site_is_set_to_is_not_shown(name: str, value: object) -> None:
    told = str(shown(name, value))
    assert "c2VjcmV0cw" not in told
    assert "***" in told


def test_what_is_no_secret_is_shown_as_it_is() -> None:
    assert shown("connectionString", "/net/arcgis/config-store") == "/net/arcgis/config-store"
    assert shown("WebContextURL", "https://gis.example.net/arcgis") == "https://gis.example.net/arcgis"
