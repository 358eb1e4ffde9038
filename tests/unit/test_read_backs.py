"""How a change is seen in what a site answers: done, not done, or not to be told."""

from __future__ import annotations

from typing import Any

import pytest

from fleet import ops
from fleet.admin.catalogue import catalogue, operation_for
from fleet.admin.changes import SEEN
from fleet.admin.operation import Operation
from fleet.protocol.fields import ServiceId
from tests.judged import JUDGED, ROADS


@pytest.mark.parametrize(
    ("operation", "answer", "verdict"), JUDGED, ids=[f"{o.name}-{number}" for number, (o, _, _) in enumerate(JUDGED)]
)
def test_a_change_is_judged_by_what_the_site_says(operation: Operation[Any], answer: Any, verdict: bool | None) -> None:
    assert operation.read_back is not None
    assert operation.read_back.done(answer) is verdict


def test_a_secret_that_can_t_be_read_leaves_a_change_open() -> None:
    def whole(operation: Operation[Any]) -> bool:
        assert operation.read_back is not None
        return operation.read_back.whole

    assert not whole(ops.security.user_add("ann", "p"))
    assert not whole(ops.security.user_update("ann", password="p"))
    assert whole(ops.security.user_update("ann", email="a@b"))
    assert not whole(ops.data.edit("/enterpriseDatabases/a", {"info": {"connectionString": "SERVER=a;PASSWORD=b"}}))
    assert not whole(ops.security.tokens_update({"properties": {"sharedKey": "newer"}}))
    assert not whole(ops.services.create(ROADS))


def test_what_is_looked_at_holds_no_secret() -> None:
    for operation in (
        ops.security.user_add("ann", "hidden"),
        ops.machines.certificate_import_existing("A", "b", b"", "hidden"),
    ):
        assert operation.read_back is not None
        assert "hidden" not in str(dict(operation.read_back.look.parameters))
        assert "hidden" not in operation.read_back.look.path
        assert operation.secrets


def test_every_rule_is_about_a_change_of_the_catalogue() -> None:
    known = {entry.name: entry for entry in catalogue().entries}
    assert [name for name in SEEN if name not in known or known[name].effect == "read"] == []


def test_a_change_that_goes_on_by_itself_is_not_judged_at_once() -> None:
    path = f"admin/services/{ServiceId.parse('A.MapServer').path}/edit"
    assert operation_for(path, parameters={"service": "{}", "runAsync": "true"})[0].read_back is None
    assert operation_for(path, parameters={"service": "{}"})[0].read_back is not None


@pytest.mark.parametrize("broken", ["", "[]", "{", '{"services": 5}', '{"services": [5]}', "null"])
def test_a_parameter_that_is_wrong_is_left_to_the_site(broken: str) -> None:
    assert operation_for("admin/services/startServices", parameters={"services": broken})[0].read_back is None
    assert operation_for("admin/services/startServices")[0].read_back is None
