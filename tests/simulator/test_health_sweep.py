"""Sweeps of simulated sites: which requests they cost, and what each fault comes to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fleet.client.settings import RetryPolicy
from fleet.fanout.fleet import Fleet
from fleet.health import Check, Facts, Finding, HealthOptions, Limits, sweep
from fleet.health.sweeping import load_checks
from fleet.report import Report
from fleet.simulator import Simulator

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


async def swept(
    simulator: Simulator, write_inventory: Write, options: HealthOptions | None = None, text: str | None = None
) -> Report:
    path = write_inventory(simulator.inventory_toml() + (text or ""))
    retry = RetryPolicy(base=0.01, cap=0.02)
    # Only a site that is silent uses up its time; the others get what a busy machine may need.
    silent = any("hang" in site.faults for site in simulator.sites.values())
    async with Fleet.from_inventory(path, timeout="500ms" if silent else "20s", retry=retry) as fleet:
        return await sweep(fleet.select(), options)


def statuses(report: Report, site: str = "sim-0001") -> dict[str, str]:
    value = next(outcome.value for outcome in report.outcomes if outcome.site == site)  # type: ignore[union-attr]
    return {check["check"]: check["status"] for check in value["checks"]}  # type: ignore[index]


@pytest.mark.parametrize(("machines", "folders", "most"), [(1, 0, 9), (3, 0, 11), (1, 2, 12), (4, 3, 16)])
async def test_a_sweep_costs_nine_requests_and_one_for_each_further_machine_or_folder(
    simulate: Simulate, write_inventory: Write, machines: int, folders: int, most: int
) -> None:
    # The folder System counts as one of the folders: two more are three folders.
    simulator = await simulate(sites=1, machines=machines, services=10, folders=folders)
    report = await swept(simulator, write_inventory)
    assert report.outcomes[0].ok
    assert len(simulator.ledger) <= most
    assert statuses(report)["services"] == "ok"


@pytest.mark.parametrize(
    ("fault", "outcome", "kind", "check", "status"),
    [
        ("service-down", "failed", "unhealthy", "services", "critical"),
        ("machine-down", "failed", "unhealthy", "machines", "critical"),
        ("unhealthy", "failed", "unhealthy", "healthcheck", "critical"),
        ("read-only", "ok", None, "mode", "warning"),
        ("refused", "unreachable", "connect", "login", "unknown"),
        ("hang", "timeout", "timeout", "login", "unknown"),
        ("html", "protocol", "protocol", "login", "unknown"),
        ("admin-blocked", "protocol", "protocol", "machines", "unknown"),
        ("wrong-password", "auth_failed", "auth", "login", "unknown"),
        ("clientid", "auth_failed", "auth", "machines", "unknown"),
        ("redirect-away", "protocol", "redirect", "login", "unknown"),
        ("no-site", "failed", "not_found", "login", "unknown"),
        ("upgrading", "failed", "locked", "login", "unknown"),
    ],
)
async def test_what_each_fault_comes_to(
    simulate: Simulate, write_inventory: Write, fault: str, outcome: str, kind: str | None, check: str, status: str
) -> None:
    simulator = await simulate(sites=2, faults={"sim-0001": fault})
    report = await swept(simulator, write_inventory)
    ill, well = report.outcomes
    assert ill.outcome == outcome
    assert getattr(getattr(ill, "error", None), "kind", None) == kind
    assert statuses(report)[check] == status
    assert well.ok, "one site's fault is not another's"
    assert report.merged["verdicts"]["ok"] == 1
    if status != "warning":
        assert "sim-0001" in next(row for row in report.merged["checks"] if row["check"] == check)[status]


async def test_strict_makes_a_warning_count(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, faults={"sim-0001": "read-only"})
    assert (await swept(simulator, write_inventory)).exit_code() == 0
    assert (await swept(simulator, write_inventory, HealthOptions(strict=True))).exit_code() == 1


async def test_an_expired_certificate_is_told_from_one_for_another_name(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=3, tls=True, faults={"sim-0002": "cert-expired", "sim-0003": "cert-name"})
    report = await swept(simulator, write_inventory)
    good, expired, misnamed = report.outcomes
    assert statuses(report)["tls"] == "warning", "the simulated certificates end in twenty days"
    assert good.ok
    assert (expired.outcome, misnamed.outcome) == ("unreachable", "unreachable")
    assert "expired" in expired.error.message  # type: ignore[union-attr]
    assert "another name" in misnamed.error.message  # type: ignore[union-attr]


async def test_the_inventory_moves_thresholds_and_switches_checks_off(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, faults={"sim-0001": "service-down"})
    text = (
        "\n[sites.sim-0001.checks]\nservices = { severity = 'warning' }\n"
        "mode = { enabled = false }\nlicense = { warning = 100000 }\n"
    )
    report = await swept(simulator, write_inventory, text=text)
    found = statuses(report)
    assert found["services"] == "warning"
    assert "mode" not in found
    assert found["license"] == "warning"


async def test_a_report_that_is_not_to_be_had_is_replaced_by_asking_one_by_one(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, services=5, folders=0)
    site = simulator.sites["sim-0001"]
    site.switches.lacking = frozenset({"report"})
    report = await swept(simulator, write_inventory, HealthOptions(only=("services",)))
    assert site.count("status") == 5
    assert statuses(report) == {"services": "ok"}


async def test_checks_on_demand_and_plug_ins_come_in_by_one_door(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    also = ("datastores", "log_errors", "machine_certificates")
    report = await swept(simulator, write_inventory, HealthOptions(also=also, since=30 * 86_400.0))
    assert set(also) <= statuses(report).keys()

    async def look(facts: Facts, limits: Limits) -> Finding:
        names = await facts.machine_names()
        return Finding(status=limits.at_least(len(names)), saw=f"{len(names)}", wanted="none")

    mine = Check(name="mine", look=look, limits=Limits(1, 5))
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        found = await sweep(fleet.select(), HealthOptions(only=("mine",)), checks={**load_checks(), "mine": mine})
    value: Any = found.outcomes[0].value  # type: ignore[union-attr]
    assert value["checks"][0]["status"] == "warning"
