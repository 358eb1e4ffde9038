"""Every check against the state of a simulated site, and how the inventory moves it for a group of sites."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fleet.client.settings import RetryPolicy
from fleet.fanout.fleet import Fleet
from fleet.health import HealthOptions, sweep
from fleet.health.sweeping import load_checks
from fleet.report import Report
from fleet.simulator import SimulatedSite, Simulator
from fleet.simulator.permissions import permission

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

DAY = 86_400.0


async def swept(inventory: Path, options: HealthOptions | None = None) -> Report:
    retry = RetryPolicy(base=0.01, cap=0.02)
    async with Fleet.from_inventory(inventory, timeout="2s", retry=retry) as fleet:
        return await sweep(fleet.select(), options)


def check_of(report: Report, name: str, site: str = "sim-0001") -> dict[str, Any]:
    outcome = next(outcome for outcome in report.outcomes if outcome.site == site)
    found: dict[str, Any] = next(check for check in outcome.value["checks"] if check["check"] == name)
    return found


# What each check sees


async def one(
    simulate: Simulate, write_inventory: Write, name: str, prepare: Callable[[SimulatedSite], None], **how: Any
) -> dict[str, Any]:
    """What the check *name* says of a site that *prepare* has changed."""
    simulator = await simulate(sites=1, **{"machines": 2, "services": 6, "folders": 1, **how})
    prepare(simulator.sites["sim-0001"])
    return check_of(await swept(write_inventory(simulator), HealthOptions(only=(name,))), name)


async def test_machines_are_told_by_wish_and_state(simulate: Simulate, write_inventory: Write) -> None:
    def rest(site: SimulatedSite) -> None:
        last = list(site.machines.values())[-1]
        last.configured = last.real = "STOPPED"

    def die(site: SimulatedSite) -> None:
        list(site.machines.values())[-1].real = "STOPPED"

    resting = await one(simulate, write_inventory, "machines", rest)
    assert (resting["status"], resting["saw"]) == ("ok", "1 of 2 runs, 1 stopped on purpose")
    dead = await one(simulate, write_inventory, "machines", die)
    assert (dead["status"], dead["saw"]) == ("critical", "1 of 2 should run and does not")
    assert dead["items"] == ["SIM-0001-B.SIMULATED.EXAMPLE is STOPPED"]
    assert dead["advice"] == "fleet machines start SIM-0001-B.SIMULATED.EXAMPLE -s sim-0001"
    well = await one(simulate, write_inventory, "machines", lambda site: None)
    assert (well["status"], well["saw"], well["advice"], well["items"]) == ("ok", "2 of 2 run", "", [])


async def test_services_of_all_folders_are_told_by_wish_and_state(simulate: Simulate, write_inventory: Write) -> None:
    def spoil(site: SimulatedSite) -> None:
        site.state.add_service("", "Rooted", "MapServer").real = "STOPPED"
        site.state.add_service("Planning", "Foldered", "GPServer").real = "FAILED"
        resting = site.state.add_service("Planning", "Resting", "MapServer")
        resting.configured = resting.real = "STOPPED"

    ill = await one(simulate, write_inventory, "services", spoil)
    assert (ill["status"], ill["saw"]) == ("critical", "2 of 9 stopped that should run")
    assert ill["items"] == ["Rooted.MapServer is STOPPED", "Planning/Foldered.GPServer is FAILED"]
    assert ill["advice"] == "fleet services start Rooted.MapServer -s sim-0001"
    well = await one(simulate, write_inventory, "services", lambda site: None)
    assert (well["status"], well["saw"]) == ("ok", "6 services as they should be")


async def test_instances_are_exhausted_when_all_that_may_be_are_busy(
    simulate: Simulate, write_inventory: Write
) -> None:
    def busy(site: SimulatedSite) -> None:
        site.switches.traffic = 0.0
        service = site.state.add_service("", "Crowded", "MapServer")
        service.definition["maxInstancesPerNode"] = 2
        service.busy = 4  # on two machines

    def nearly(site: SimulatedSite) -> None:
        busy(site)
        site.services["Crowded.MapServer"].busy = 3

    def pooled(site: SimulatedSite) -> None:
        busy(site)
        site.services["Crowded.MapServer"].definition["maxInstancesPerNode"] = 0

    def stopped(site: SimulatedSite) -> None:
        busy(site)
        site.services["Crowded.MapServer"].real = "STOPPED"

    full = await one(simulate, write_inventory, "instances", busy, switches={"estate": "bare"})
    assert (full["status"], full["saw"]) == ("warning", "1 of 7 services have no instance to spare")
    assert full["items"] == ["Crowded.MapServer: 4 of 4 busy"]
    for prepare in (nearly, pooled, stopped):
        found = await one(simulate, write_inventory, "instances", prepare, switches={"estate": "bare"})
        assert (found["status"], found["items"]) == ("ok", [])


async def test_what_is_public_answers_to_anybody(simulate: Simulate, write_inventory: Write) -> None:
    async def found(prepare: Callable[[SimulatedSite], None]) -> tuple[str, str, list[str]]:
        told = await one(simulate, write_inventory, "public", prepare, switches={"estate": "bare"})
        return told["status"], told["saw"], told["items"]

    def close(site: SimulatedSite) -> None:
        next(iter(site.services.values())).permissions = [permission("esriEveryone", False)]

    def stop(site: SimulatedSite) -> None:
        next(iter(site.services.values())).real = "STOPPED"

    assert await found(lambda site: None) == ("ok", "6 of 6 services answer to anybody", [])
    assert await found(close) == ("ok", "5 of 5 services answer to anybody, 1 want a login", [])
    assert await found(stop) == ("ok", "5 of 5 services answer to anybody", [])
    status, saw, items = await found(_busy)
    assert (status, saw) == ("critical", "5 of 6 services answer to anybody")
    assert "Wait timeout of the request" in items[0]


async def test_what_is_public_is_asked_without_a_token(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, services=3)
    await swept(write_inventory(simulator), HealthOptions(only=("public",)))
    assert {entry.token_in for entry in simulator.ledger} == {"none"}
    assert {entry.operation for entry in simulator.ledger}.isdisjoint({"generateToken"})


async def test_instances_are_skipped_where_nobody_counts_them(simulate: Simulate, write_inventory: Write) -> None:
    def without_report(site: SimulatedSite) -> None:
        site.switches.lacking = frozenset({"report"})

    found = await one(simulate, write_inventory, "instances", without_report)
    assert found["status"] == "skipped"


async def test_the_mode_is_told(simulate: Simulate, write_inventory: Write) -> None:
    def lock(site: SimulatedSite) -> None:
        site.state.mode = "READ_ONLY"

    found = await one(simulate, write_inventory, "mode", lock)
    assert (found["status"], found["saw"]) == ("warning", "the site is READ_ONLY")
    assert found["advice"].endswith("fleet site mode EDITABLE -s sim-0001")
    assert (await one(simulate, write_inventory, "mode", lambda site: None))["saw"] == "EDITABLE"


@pytest.mark.parametrize(
    ("days", "status", "saw"),
    [
        (200, "ok", "the first licence ends in 200 days"),
        (20, "warning", "the first licence ends in 20 days"),
        (3, "critical", "the first licence ends in 3 days"),
        (-5, "critical", "a licence ended 5 days ago"),
    ],
)
async def test_the_licence_that_ends_first_counts(
    simulate: Simulate, write_inventory: Write, days: float, status: str, saw: str
) -> None:
    def age(site: SimulatedSite) -> None:
        site.state.license_ends = site.state.clock() + days * DAY + 60

    found = await one(simulate, write_inventory, "license", age)
    assert (found["status"], found["saw"]) == (status, saw)
    assert bool(found["items"]) == (status != "ok")


@pytest.mark.parametrize("release", ["10.9.1", "11.3"])
async def test_certificates_of_machines_are_read_from_number_and_from_text(
    simulate: Simulate, write_inventory: Write, release: str
) -> None:
    def age(site: SimulatedSite) -> None:
        machine = next(iter(site.machines.values()))
        machine.certificates["own"] = site.state.clock() + 20.5 * DAY

    found = await one(simulate, write_inventory, "machine_certificates", age, release=release)
    assert found["status"] == "warning"
    assert found["items"] == ["own on SIM-0001-A.SIMULATED.EXAMPLE ends in 20 days"]


async def test_log_errors_look_back_as_far_as_asked(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    state = simulator.sites["sim-0001"].state
    state.log_records.clear()
    for hours in (0.5, 5, 50):
        state.log("SEVERE", (9511, f"{hours} hours ago"), at=state.clock() - hours * 3600)
    state.log("WARNING", (9511, "only a warning"))
    path = write_inventory(simulator)
    for since, count in ((3600.0, 1), (86_400.0, 2), (7 * 86_400.0, 3)):
        found = check_of(await swept(path, HealthOptions(only=("log_errors",), since=since)), "log_errors")
        assert len(found["items"]) == count
        assert found["saw"].startswith(f"{count} SEVERE records in ")
        assert found["status"] == "warning"


@pytest.mark.parametrize(("fault", "status"), [("unhealthy", "critical"), (None, "ok")])
async def test_the_site_s_own_health_check_is_asked(
    simulate: Simulate, write_inventory: Write, fault: str | None, status: str
) -> None:
    def spoil(site: SimulatedSite) -> None:
        if fault is not None:
            site.fault(fault)

    assert (await one(simulate, write_inventory, "healthcheck", spoil))["status"] == status


async def test_a_machine_of_no_site_is_not_taken_for_an_old_release(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, faults={"sim-0001": "no-site"})
    report = await swept(write_inventory(simulator))
    found = check_of(report, "mode")
    assert (found["status"], found["error"]["kind"]) == ("unknown", "not_found")
    assert report.outcomes[0].outcome == "failed"


# What the inventory says of a group


@dataclass(frozen=True)
class Moved:
    """A site that *prepare* changed: its status as it is, and where a group says *settings*."""

    prepare: Callable[[SimulatedSite], None]
    status: str
    settings: str
    moved: str


def _busy(site: SimulatedSite) -> None:
    site.switches.traffic = 0.0
    service = next(iter(site.services.values()))
    service.busy = service.most * len(site.machines)


def _aged(site: SimulatedSite) -> None:
    site.state.license_ends = site.state.clock() + 20 * DAY
    for machine in site.machines.values():
        machine.certificates["own"] = site.state.clock() + 20 * DAY


def _noisy(site: SimulatedSite) -> None:
    site.state.log_records.clear()
    for number in range(5):
        site.state.log("SEVERE", (9511, f"trouble {number}"))


def _faulty(kind: str) -> Callable[[SimulatedSite], None]:
    return lambda site: site.fault(kind)


def _sound(site: SimulatedSite) -> None:
    pass


MOVED = {
    "healthcheck": [Moved(_faulty("unhealthy"), "critical", "severity = 'warning'", "warning")],
    "login": [Moved(_faulty("wrong-password"), "unknown", "severity = 'warning'", "unknown")],
    "release": [
        Moved(_sound, "ok", "warning = 11.4", "warning"),
        Moved(_sound, "ok", "critical = 11.4", "critical"),
        Moved(_sound, "ok", "warning = 10.91, critical = 10.5", "ok"),
    ],
    "machines": [
        Moved(_faulty("machine-down"), "critical", "warning = 1, critical = 2", "warning"),
        Moved(_faulty("machine-down"), "critical", "severity = 'warning'", "warning"),
        Moved(_faulty("machine-down"), "critical", "critical = 2", "ok"),
    ],
    "services": [
        Moved(_faulty("service-down"), "critical", "warning = 1, critical = 3", "warning"),
        Moved(_faulty("service-down"), "critical", "severity = 'warning'", "warning"),
    ],
    "instances": [
        Moved(_busy, "warning", "critical = 1", "critical"),
        Moved(_busy, "warning", "severity = 'critical'", "critical"),
        Moved(_busy, "warning", "warning = 2", "ok"),
    ],
    "mode": [Moved(_faulty("read-only"), "warning", "severity = 'critical'", "critical")],
    "license": [
        Moved(_aged, "warning", "critical = 25", "critical"),
        Moved(_aged, "warning", "warning = '15d'", "ok"),
    ],
    "datastores": [Moved(_faulty("data-broken"), "critical", "severity = 'warning'", "warning")],
    "machine_certificates": [
        Moved(_aged, "warning", "critical = '25d'", "critical"),
        Moved(_aged, "warning", "warning = 15", "ok"),
    ],
    "public": [
        Moved(_busy, "critical", "critical = 2, warning = 1", "warning"),
        Moved(_busy, "critical", "severity = 'warning'", "warning"),
    ],
    "log_errors": [
        Moved(_noisy, "warning", "critical = 5", "critical"),
        Moved(_noisy, "warning", "warning = 6", "ok"),
    ],
}


def test_every_check_that_a_group_can_move_has_its_case() -> None:
    assert MOVED.keys() | {"tls"} == load_checks().keys()


@pytest.mark.parametrize(
    ("name", "case"),
    [(name, case) for name, cases in MOVED.items() for case in cases],
    ids=lambda value: value if isinstance(value, str) else value.settings,
)
async def test_a_group_moves_thresholds_and_severity(
    simulate: Simulate, write_inventory: Write, name: str, case: Moved
) -> None:
    simulator = await simulate(sites=2, machines=2, services=4, folders=0)
    for site in simulator.sites.values():
        case.prepare(site)
    text = f'groups = ["own"]\n[groups.own.checks]\n{name} = {{ {case.settings} }}\n'
    # The line of groups belongs to the last site.
    report = await swept(write_inventory(simulator.inventory_toml() + text), HealthOptions(only=(name,)))
    assert check_of(report, name)["status"] == case.status
    assert check_of(report, name, "sim-0002")["status"] == case.moved


@pytest.mark.parametrize("name", sorted(load_checks()))
async def test_a_group_switches_checks_on_and_off(simulate: Simulate, write_inventory: Write, name: str) -> None:
    on_demand = load_checks()[name].on_demand
    simulator = await simulate(sites=2, machines=1, services=2, folders=0)
    enabled = "true" if on_demand else "false"
    text = f'groups = ["own"]\n[groups.own.checks]\n{name} = {{ enabled = {enabled} }}\n'
    report = await swept(write_inventory(simulator.inventory_toml() + text))
    ran = [name in {check["check"] for check in outcome.value["checks"]} for outcome in report.outcomes]
    assert ran == [not on_demand, on_demand]


# What every check says


@pytest.mark.parametrize(
    "fault",
    "none refused hang reset truncated html http-503 wrong-password clientid no-site upgrading admin-blocked unhealthy "
    "machine-down service-down data-broken read-only redirect-away".split(),
)
async def test_every_check_says_what_it_saw_and_wanted_and_what_to_do(
    simulate: Simulate, write_inventory: Write, fault: str
) -> None:
    faults = {} if fault == "none" else {"sim-0001": fault}
    simulator = await simulate(sites=1, machines=2, services=4, faults=faults)
    also = ("datastores", "machine_certificates", "log_errors", "public")
    retry = RetryPolicy(base=0.01, cap=0.02)
    async with Fleet.from_inventory(write_inventory(simulator), timeout="400ms", retry=retry) as fleet:
        report = await sweep(fleet.select(), HealthOptions(also=also))
    (outcome,) = report.outcomes
    assert len(outcome.value["checks"]) == 13
    for check in outcome.value["checks"]:
        assert check["saw"]
        assert check["wanted"]
        assert isinstance(check["items"], list)
        assert check["elapsed"] >= 0
        assert bool(check["advice"]) == (check["status"] != "ok"), check
        assert "-s " not in check["advice"] or check["advice"].endswith("-s sim-0001")
        assert ("error" in check) == (check["status"] == "unknown")
    error = getattr(outcome, "error", None)
    assert outcome.ok or error.hint, "what to do stands beside the error too"
