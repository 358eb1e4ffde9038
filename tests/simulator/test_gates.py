"""The gates `log_errors`, `latency`, `condition` and `script` on simulated sites, and the mistakes in a gate's options."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fleet.client.settings import RetryPolicy
from fleet.errors import UsageError
from fleet.fanout.fleet import Fleet
from fleet.rollout.gates import gate_check, repetition_of
from fleet.rollout.gates.log_errors import LogErrors
from fleet.rollout.gates.rates import RateLimits
from fleet.rollout.spec import Gate, Rollout, Step
from fleet.rollout.verbs import Making, script_digests
from fleet.rollout.verdict import Asked, GateCheck
from fleet.simulator import Simulator

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


@asynccontextmanager
async def opened(simulator: Simulator, write_inventory: Write, timeout: str = "20s") -> AsyncIterator[Fleet]:
    path = write_inventory(simulator.inventory_toml())
    async with Fleet.from_inventory(path, timeout=timeout, retry=RetryPolicy(base=0.01, cap=0.02)) as fleet:
        yield fleet


def asked(fleet: Fleet, **more: Any) -> Asked:
    return Asked(**{"selection": fleet.select(), "wave": 0, "began": time.time(), **more})


def check_of(fleet: Fleet, check: str, when: Any = "after", folder: Path | None = None, **given: Any) -> GateCheck:
    gate = Gate(when=when, check=check, given=given)
    return gate_check(gate, Making(inventory=fleet.inventory, folder=folder or Path()))


async def remembered(check: GateCheck, what: Asked) -> Any:
    """The baseline as the journal gives it back."""
    return json.loads(json.dumps(await check.baseline(what)))


class Clocks:
    """The sites' clock and ours, which tests move."""

    def __init__(self) -> None:
        self.moved = 0.0
        self.ahead = 0.0

    def ours(self) -> float:
        return time.time() + self.moved

    def theirs(self) -> float:
        return time.time() + self.moved + self.ahead


# log_errors


@pytest.mark.parametrize("ahead", [0.0, 5400.0, -5400.0])
async def test_more_severe_records_than_usual_are_a_no_whatever_the_clocks_say(
    simulate: Simulate, write_inventory: Write, ahead: float
) -> None:
    clocks = Clocks()
    clocks.ahead = ahead
    simulator = await simulate(sites=3, clock=clocks.theirs)
    noisy, usual, quiet = simulator.sites.values()
    for site in (noisy, usual):
        site.write_log(60, over=3500)
    async with opened(simulator, write_inventory) as fleet:
        check = LogErrors(clock=clocks.ours)
        began = clocks.ours()
        before = await remembered(check, asked(fleet, began=began))
        clocks.moved = 600
        noisy.write_log(50, over=500, code=8254)
        usual.write_log(12, over=500)
        quiet.write_log(4, over=500)
        verdict = await check.judge(asked(fleet, began=began), before)
    assert verdict.answer == "no"
    assert verdict.sites == ("sim-0001",)
    seen = verdict.data["no"]["sites"]["sim-0001"]
    assert seen["records"] == 50
    assert seen["codes"] == {"8254": 50}
    assert 9 < seen["usual"] < 12, "60 in an hour are 10 in ten minutes"
    assert 599 < seen["seconds"] < 602


async def test_too_short_a_time_cannot_tell_unless_there_are_too_many_already(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=2)
    async with opened(simulator, write_inventory) as fleet:
        check = check_of(fleet, "log_errors", at_least=5)
        began = time.time()
        before = await remembered(check, asked(fleet, began=began))
        short = await check.judge(asked(fleet, began=began), before)
        simulator.sites["sim-0002"].write_log(4)
        few = await check.judge(asked(fleet, began=began), before)
        simulator.sites["sim-0002"].write_log(1)
        many = await check.judge(asked(fleet, began=began), before)
    assert short.answer == "cannot_tell"
    assert few.answer == "cannot_tell"
    assert many.answer == "no"
    assert many.sites == ("sim-0002",)


async def test_records_from_before_the_wave_and_below_the_level_do_not_count(
    simulate: Simulate, write_inventory: Write
) -> None:
    clocks = Clocks()
    simulator = await simulate(sites=1, clock=clocks.theirs)
    site = simulator.sites["sim-0001"]
    async with opened(simulator, write_inventory) as fleet:
        check = LogErrors(clock=clocks.ours)
        began = clocks.ours() + 300
        before = await remembered(check, asked(fleet, began=began))
        clocks.moved = 290
        site.write_log(50, over=200)
        clocks.moved = 600
        site.write_log(50, over=100, level="WARNING")
        verdict = await check.judge(asked(fleet, began=began), before)
        warnings = LogErrors(level="WARNING", clock=clocks.ours)
        told = await warnings.judge(asked(fleet, began=began), before)
    assert verdict.answer == "go"
    assert told.answer == "no"


async def test_a_site_whose_clock_was_set_or_whose_log_is_off_cannot_tell(
    simulate: Simulate, write_inventory: Write
) -> None:
    clocks = Clocks()
    simulator = await simulate(sites=2, clock=clocks.theirs)
    async with opened(simulator, write_inventory) as fleet:
        check = LogErrors(clock=clocks.ours)
        began = clocks.ours()
        before = await remembered(check, asked(fleet, began=began))
        clocks.moved = 600
        clocks.ahead = -900
        set_back = await check.judge(asked(fleet, began=began), before)
        clocks.ahead = 0
        simulator.sites["sim-0002"].state.log_settings["logLevel"] = "OFF"
        off = await check.judge(asked(fleet, began=began), before)
    assert set_back.answer == "cannot_tell"
    assert set_back.sites == ("sim-0001", "sim-0002")
    assert off.answer == "cannot_tell"
    assert off.sites == ("sim-0002",)


async def test_of_a_log_without_end_only_some_pages_are_read(simulate: Simulate, write_inventory: Write) -> None:
    clocks = Clocks()
    simulator = await simulate(sites=1, clock=clocks.theirs)
    site = simulator.sites["sim-0001"]
    async with opened(simulator, write_inventory) as fleet:
        check = LogErrors(clock=clocks.ours, limits=RateLimits(at_least=100))
        began = clocks.ours()
        before = await remembered(check, asked(fleet, began=began))
        clocks.moved = 600
        site.write_log(9000, over=590)
        asked_before = site.count("query")
        verdict = await check.judge(asked(fleet, began=began), before)
        loud = await remembered(check, asked(fleet))
        clocks.moved = 1200
        site.write_log(9000, over=590)
        same = await check.judge(asked(fleet, began=began + 600), loud)
    assert verdict.answer == "no"
    # Five pages of a thousand; the record at the border of two is on both.
    assert verdict.data["no"]["sites"]["sim-0001"]["records"] == 4996
    assert site.count("query") - asked_before <= 3 * 6
    assert same.answer == "go", "it writes as many as it did"


async def test_a_site_that_is_gone_cannot_tell_and_one_that_was_gone_has_no_say(
    simulate: Simulate, write_inventory: Write
) -> None:
    clocks = Clocks()
    simulator = await simulate(sites=3, clock=clocks.theirs, faults={"sim-0001": "refused"})
    began = clocks.ours()
    async with opened(simulator, write_inventory) as fleet:
        before = await remembered(LogErrors(clock=clocks.ours), asked(fleet, began=began))
    clocks.moved = 600
    simulator.sites["sim-0002"].fault("http-503")
    async with opened(simulator, write_inventory) as fleet:
        verdict = await LogErrors(clock=clocks.ours).judge(asked(fleet, began=began), before)
    assert verdict.answer == "cannot_tell"
    assert verdict.sites == ("sim-0002",)
    assert list(verdict.data["ignored"]["sites"]) == ["sim-0001"]


# latency


async def test_a_site_that_answers_much_later_than_before_is_a_no(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    async with opened(simulator, write_inventory) as fleet:
        check = check_of(fleet, "latency", times=3, factor=3, at_least="150ms")
        before = await remembered(check, asked(fleet))
        well = await check.judge(asked(fleet), before)
        simulator.sites["sim-0002"].switches.latency = 0.4
        verdict = await check.judge(asked(fleet), before)
        patient = await check_of(fleet, "latency", times=1, at_least="30s").judge(asked(fleet), before)
    assert well.answer == "go"
    assert verdict.answer == "no"
    assert verdict.sites == ("sim-0002",)
    assert verdict.data["no"]["sites"]["sim-0002"]["now"] >= 0.4
    assert patient.answer == "go"
    assert simulator.sites["sim-0001"].count("info") == 4 * 3 + 2


async def test_a_site_that_does_not_answer_in_time_is_a_no_and_one_that_is_broken_cannot_tell(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=2)
    async with opened(simulator, write_inventory, timeout="1s") as fleet:
        check = check_of(fleet, "latency", times=1, path="admin/info")
        before = await remembered(check, asked(fleet))
        simulator.sites["sim-0001"].fault("hang")
        late = await check.judge(asked(fleet), before)
        simulator.sites["sim-0001"].clear_faults()
        simulator.sites["sim-0002"].fault("html")
        broken = await check.judge(asked(fleet), before)
        nothing = await check.judge(asked(fleet), None)
    assert (late.answer, late.sites) == ("no", ("sim-0001",))
    assert (broken.answer, broken.sites) == ("cannot_tell", ("sim-0002",))
    assert nothing.answer == "cannot_tell"


# condition


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"where": "siteMode = EDITABLE"}, "no"),
        ({"where": "siteMode = EDITABLE", "at_least": "60%"}, "go"),
        ({"where": "siteMode = EDITABLE", "at_least": "67%"}, "no"),
        ({"where": "siteMode = EDITABLE", "at_least": 2}, "go"),
        ({"where": "siteMode = EDITABLE", "share": 1}, "go"),
        ({"where": "siteMode = EDITABLE or siteMode = READ_ONLY"}, "go"),
        ({"where": "siteMood = EDITABLE"}, "cannot_tell"),
        ({"where": "siteMood != EDITABLE"}, "cannot_tell"),
        ({"where": "not siteMood = EDITABLE"}, "cannot_tell"),
        ({"where": "siteMode > 3"}, "cannot_tell"),
        ({"query": "contains(['EDITABLE', 'READ_ONLY'], siteMode)"}, "go"),
        ({"query": "siteMode == 'EDITABLE'"}, "no"),
        ({"query": "siteMood"}, "cannot_tell"),
        ({"query": "siteMode"}, "cannot_tell"),
        ({"query": "length(siteMood)"}, "cannot_tell"),
        ({"query": "[@]", "where": "siteMode = '*'"}, "no"),
        ({"query": "`[]`", "where": "siteMode = EDITABLE"}, "cannot_tell"),
    ],
)
async def test_a_condition_holds_only_where_what_is_there_says_so(
    simulate: Simulate, write_inventory: Write, options: dict[str, Any], answer: str
) -> None:
    simulator = await simulate(sites=3, faults={"sim-0003": "read-only"})
    async with opened(simulator, write_inventory) as fleet:
        check = check_of(fleet, "condition", when="before", path="admin/mode", **options)
        verdict = await check.judge(asked(fleet), await remembered(check, asked(fleet)))
    assert verdict.answer == answer
    if verdict.answer == "no" and "at_least" not in options:
        assert "sim-0003" in verdict.sites


async def test_a_condition_on_a_site_that_cannot_be_asked_is_no_go(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, faults={"sim-0002": "refused"})
    async with opened(simulator, write_inventory) as fleet:
        check = check_of(fleet, "condition", path="admin/mode", where="siteMode = EDITABLE")
        verdict = await check.judge(asked(fleet), None)
    assert verdict.answer == "cannot_tell"
    assert verdict.sites == ("sim-0002",)


async def test_what_a_condition_tells_holds_no_secret(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    simulator.sites["sim-0001"].state.properties["password"] = "swordfish"
    async with opened(simulator, write_inventory) as fleet:
        check = check_of(fleet, "condition", path="admin/system/properties", where="password = other")
        verdict = await check.judge(asked(fleet), None)
    assert verdict.answer == "no"
    assert verdict.data["no"]["sites"]["sim-0001"]["saw"] == {"password": "***"}
    assert "swordfish" not in json.dumps(verdict.to_dict())


# script

SCRIPT = """
from fleet import admin as ops
from fleet.errors import NotFound
from fleet.rollout.verdict import Verdict

async def names(selection, asked):
    return [site.name for site in selection.sites]

async def same(selection, asked, baseline):
    there = [site.name for site in selection.sites]
    return "go" if there == baseline else "no"

async def modes(selection, asked, baseline):
    report = await selection.run(ops.site.mode())
    odd = [one.site for one in report.outcomes if not one.ok or one.value["siteMode"] != "EDITABLE"]
    why = f"{len(odd)} sites are closed"
    return Verdict(answer="no" if odd else "go", why=why, sites=odd, data={"closed": odd, "password": "swordfish"})

async def broken(selection, asked, baseline):
    raise ValueError("swordfish")

async def lost(selection, asked, baseline):
    raise NotFound("it is not there", site="sim-0002")

async def ended(selection, asked, baseline):
    raise SystemExit(0)

async def odd(selection, asked, baseline):
    return True

async def endless(selection, asked, baseline):
    import anyio
    await anyio.sleep(60)

async def no_json(selection, asked):
    return {1, 2}

def plain(selection, asked, baseline):
    return "go"
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir(mode=0o700)
    path = folder / "gates.py"
    path.write_text(SCRIPT, encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("options", "answer", "why"),
    [
        ({"script": "gates.py:same", "baseline": "gates.py:names"}, "go", "gates.py says go"),
        ({"script": "gates.py:same"}, "no", "gates.py says no"),
        ({"script": "gates.py:modes"}, "no", "1 sites are closed"),
        ({"script": "gates.py:broken"}, "cannot_tell", "gates.py:20: it failed (ValueError)"),
        ({"script": "gates.py:lost"}, "cannot_tell", "gates.py: sim-0002: it is not there"),
        ({"script": "gates.py:ended"}, "cannot_tell", "gates.py:26: it failed (SystemExit)"),
        ({"script": "gates.py:odd"}, "cannot_tell", "gates.py came back with bool"),
        ({"script": "gates.py:endless", "timeout": "100ms"}, "cannot_tell", "gates.py took longer than 0.1 s"),
        ({"script": "gates.py:same", "baseline": "gates.py:no_json"}, "cannot_tell", "its baseline is no JSON"),
    ],
)
async def test_a_script_says_what_it_says_and_anything_else_is_cannot_tell(
    simulate: Simulate, write_inventory: Write, script: Path, options: dict[str, Any], answer: str, why: str
) -> None:
    simulator = await simulate(sites=2, faults={"sim-0002": "read-only"})
    async with opened(simulator, write_inventory) as fleet:
        check = check_of(fleet, "script", folder=script.parent, **options)
        verdict = await check.judge(asked(fleet), await remembered(check, asked(fleet)))
    assert verdict.answer == answer
    assert why in verdict.why
    assert "swordfish" not in json.dumps(verdict.to_dict())
    if "modes" in options["script"]:
        assert verdict.sites == ("sim-0002",)
        assert verdict.data == {"closed": ["sim-0002"], "password": "***"}


async def test_the_script_of_a_gate_is_as_safe_as_that_of_a_step(
    simulate: Simulate, write_inventory: Write, script: Path
) -> None:
    simulator = await simulate(sites=1)
    gate = Gate(when="after", check="script", given={"script": "gates.py:same", "baseline": "gates.py:names"})
    rollout = Rollout(name="r", select="all", steps=(Step(name="s", do="services.start"),), gates=(gate,))
    planned = script_digests(rollout, script.parent)
    script.write_text(SCRIPT + "\n", encoding="utf-8")
    assert list(planned) == ["gates.py"]
    assert script_digests(rollout, script.parent) != planned, "a plan knows that it was changed"
    async with opened(simulator, write_inventory) as fleet:
        for named, told in (("gates.py:plain", "no async function 'plain'"), ("gates.py", "FILE.py:function")):
            with pytest.raises(UsageError, match=told):
                check_of(fleet, "script", folder=script.parent, script=named)
        script.write_text("import sys\nsys.exit('swordfish')\n", encoding="utf-8")
        with pytest.raises(UsageError, match=r"gates\.py:2: it can't be loaded \(SystemExit\)$"):
            check_of(fleet, "script", folder=script.parent, **gate.given)
        script.chmod(0o620)
        with pytest.raises(UsageError, match="others can write it"):
            check_of(fleet, "script", folder=script.parent, **gate.given)
        with pytest.raises(UsageError, match="others can write it"):
            script_digests(rollout, script.parent)


# Mistakes


@pytest.mark.parametrize(
    ("gate", "told"),
    [
        (Gate(when="after", check="helth"), ["there is no check 'helth'", "did you mean 'health'?"]),
        (
            Gate(
                when="after",
                check="health",
                given={"no": "new_failure", "only": ["machnes"], "alsoo": "x", "share": "x"},
            ),
            ["did you mean 'new_failures'?", "did you mean 'machines'?", "did you mean 'also'?", "share is a count"],
        ),
        (Gate(when="before", check="health", given={"no": "new_failures"}), ["nothing is new yet"]),
        (Gate(when="after", check="health", given={"fail_after": 2}), ['when = "during"']),
        (Gate(when="during", check="health", given={"fail_after": 3, "tell_after": 2}), ["at least fail_after"]),
        (
            Gate(
                when="before", check="log_errors", given={"factor": 0, "window": 60, "level": "SEVER", "at_least": True}
            ),
            [
                "before a wave",
                "factor is a number",
                "window is a time",
                "did you mean 'SEVERE'?",
                "at_least is a whole",
            ],
        ),
        (Gate(when="after", check="latency", given={"path": "admin/services/A.MapServer/stop"}), ["changes the site"]),
        (Gate(when="after", check="latency", given={"path": "admin/../x", "times": 0}), ["no . and no ..", "times is"]),
        (Gate(when="after", check="condition", given={"where": "a="}), ["path is missing", "where, character 3"]),
        (
            Gate(
                when="after", check="condition", given={"path": "admin/info?token=abc", "query": "a[", "at_least": "x"}
            ),
            ["no secrets in it, and token is one", "no JMESPath expression", "at_least is a count"],
        ),
        (
            Gate(when="after", check="condition", given={"path": "portal:sharing", "at_least": 1, "share": 1}),
            ["below the site itself", "where is missing", "give one of them"],
        ),
        (Gate(when="after", check="script", given={"share": 1}), ["share is not for scripts", "script is missing"]),
    ],
)
async def test_every_mistake_of_a_gate_is_told_at_once_with_what_was_meant(
    simulate: Simulate, write_inventory: Write, gate: Gate, told: list[str]
) -> None:
    simulator = await simulate(sites=1)
    async with opened(simulator, write_inventory) as fleet:
        with pytest.raises(UsageError) as caught:
            gate_check(gate, Making(inventory=fleet.inventory, folder=Path()))
    assert [part for part in told if part not in str(caught.value)] == []
    assert len(str(caught.value).splitlines()) == (1 if "helth" in told[0] else len(told))
    assert simulator.ledger == []


def test_how_often_a_gate_must_say_it() -> None:
    gate = Gate(when="during", check="health", given={"fail_after": 4})
    assert (repetition_of(gate).fail_after, repetition_of(gate).tell_after) == (4, 4)
    assert repetition_of(Gate(when="during", check="health")).tell_after == 3
