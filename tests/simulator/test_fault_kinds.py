"""Every fault kind, as the client sees it: the outcome of a read, of a change, or of a sweep, and the kind of the error."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fleet import Fleet, ops
from fleet.client.settings import RetryPolicy
from fleet.health import HealthOptions, sweep
from fleet.protocol.fields import ServiceId
from fleet.report import Report
from fleet.simulator import FAULTS, Simulator

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

SWEPT = ("healthcheck", "machines", "services", "datastores")


@dataclass(frozen=True)
class Case:
    """What is done to a site with the fault (`read`, `start`, `stop`, `look` or `sweep`), and what that comes to."""

    do: str
    outcome: str
    kind: str | None
    message: str = ""


CASES = {
    "refused": Case("read", "unreachable", "connect", "connection refused"),
    "hang": Case("read", "timeout", "timeout", "no answer"),
    "slow": Case("read", "timeout", "timeout", "no answer"),
    "reset": Case("read", "unreachable", "connect"),
    "truncated": Case("read", "unreachable", "connect", "broke off"),
    "html": Case("read", "protocol", "protocol", "HTML page"),
    "http-503": Case("read", "failed", "server", "503"),
    "huge": Case("read", "protocol", "too_large"),
    "wrong-password": Case("read", "auth_failed", "auth", "the account was refused"),
    "expired-token": Case("read", "ok", None),
    "clientid": Case("read", "auth_failed", "auth", "ClientID"),
    "no-site": Case("read", "failed", "not_found", "not participating in any Site"),
    "upgrading": Case("read", "failed", "locked", "Upgrade in progress"),
    "locked": Case("stop", "changed", None),
    "locked-forever": Case("stop", "failed", "locked", "another administrative operation"),
    "read-only": Case("stop", "failed", "forbidden", "read-only"),
    "admin-blocked": Case("read", "protocol", "protocol", "HTML page"),
    "unhealthy": Case("sweep", "failed", "unhealthy", "healthcheck"),
    "machine-down": Case("sweep", "failed", "unhealthy", "machines"),
    "service-down": Case("sweep", "failed", "unhealthy", "services"),
    "data-broken": Case("sweep", "failed", "unhealthy", "datastores"),
    "start-fails": Case("start", "failed", "server", "the data is not there"),
    "start-hangs": Case("start", "unknown", "unknown_outcome", "its fate is unknown"),
    "lost-answer": Case("stop", "changed", None),
    "redirect-away": Case("read", "protocol", "redirect", "http://127.0.0.1:9"),
    "cert-expired": Case("read", "unreachable", "tls", "expired"),
    "cert-self-signed": Case("read", "unreachable", "tls", "not trusted"),
    "cert-name": Case("read", "unreachable", "tls", "another name"),
    "cert-incomplete": Case("read", "unreachable", "tls", "not trusted"),
    "cert-issuer-ending": Case("look", "failed", "unhealthy", "tls"),
}


def test_every_fault_kind_has_its_case() -> None:
    assert CASES.keys() == FAULTS.keys()


@pytest.mark.parametrize("fault", sorted(CASES))
async def test_a_fault_does_what_its_name_says(simulate: Simulate, write_inventory: Write, fault: str) -> None:
    case = CASES[fault]
    simulator = await simulate(sites=2, machines=2, faults={"sim-0001": fault}, tls=fault.startswith("cert-"))
    for site in simulator.sites.values():
        service = site.state.add_service("", "Common", "MapServer")
        if case.do == "start":
            service.definition["configuredState"] = service.real = "STOPPED"
    report = await _done(write_inventory(simulator), case.do)
    ill, well = report.outcomes
    assert ill.outcome == case.outcome
    error = getattr(ill, "error", None)
    assert (None if error is None else error.kind) == case.kind
    if case.do in ("sweep", "look"):
        value: Any = ill.value  # type: ignore[union-attr]
        assert [check["check"] for check in value["checks"] if check["status"] == "critical"][:1] == [case.message]
    elif case.message:
        assert error is not None
        assert case.message in error.message
    if case.kind in ("connect", "timeout"):
        assert error is not None
        assert error.hint
    assert well.ok, "one site's fault is not another's"


async def _done(inventory: Path, do: str) -> Report:
    """The report of what *do* says, on both sites."""
    patience = RetryPolicy(base=0.02, cap=0.1, settle=0.6, lock_patience=2.5)
    timeout = "2s"
    service = ServiceId("", "Common", "MapServer")
    async with Fleet.from_inventory(inventory, timeout=timeout, retry=patience) as fleet:
        match do:
            case "read":
                return await fleet.select().run(ops.info.admin())
            case "start":
                return await fleet.select().run(ops.services.start(service))
            case "stop":
                return await fleet.select().run(ops.services.stop(service))
            case "look":
                return await sweep(fleet.select(), HealthOptions(only=("tls",)))
            case _:
                return await sweep(fleet.select(), HealthOptions(only=SWEPT))
