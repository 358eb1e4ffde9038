"""Scripts as steps: loaded, planned, run, broken off and run again, on simulated sites."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fleet import Fleet
from fleet import admin as ops
from fleet.admin.operation import Operation
from fleet.bulk import change, plan
from fleet.bulk.change import Change
from fleet.bulk.verb import Sender
from fleet.client.settings import RetryPolicy
from fleet.client.site import Answer, SiteClient
from fleet.errors import FateUnknown, ServerFailed, SiteError, UsageError
from fleet.rollout.notebook import MemoryNotebook
from fleet.rollout.spec import Rollout, Step
from fleet.rollout.steps.scripting import Context
from fleet.rollout.verbs import Making, script_digests, verb_of
from fleet.simulator import Simulator

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

PATIENCE = RetryPolicy(base=0.05, cap=0.1, settle=0.5, lock_patience=0.5)

SCRIPT = """
from __future__ import annotations

from dataclasses import dataclass

from fleet import admin as ops


@dataclass
class Wish:
    mode: str


async def quiet(client, context):
    wish = Wish(context.parameters["mode"])
    before = await context.once("mode", lambda: client.call(ops.site.mode()))
    back = ops.site.set_mode(before["siteMode"])
    await context.change(ops.site.set_mode(wish.mode), undo=back)
    context.log("it was", before["siteMode"], "on", context.site)


async def plan_quiet(client, context):
    told = await client.call(ops.site.mode())
    return [{"item": "mode", "old": told["siteMode"], "new": context.parameters["mode"]}]


async def breaks(client, context):
    password = context.parameters["secret"]
    raise KeyError("nothing called " + password)


async def unplanned(client, context):
    await context.change(ops.services.folder_create("Archive"))
"""


def written(folder: Path, text: str = SCRIPT) -> Path:
    file = folder / "steps.py"
    file.write_text(text)
    file.chmod(0o600)
    return file


def made(fleet: Fleet, do: str, folder: Path, **given: Any) -> Any:
    return verb_of(Step(name="own", do=do, given=given), Making(inventory=fleet.inventory, folder=folder))


class Recording(Sender):
    """A sender that is a memory, and ends the run where it is told to."""

    def __init__(self, memory: MemoryNotebook, dies: str = "") -> None:
        super().__init__()
        self.memory = memory
        self.dies = dies
        self.undo: list[Operation[Any]] = []

    def remembered(self, name: str) -> tuple[bool, Any]:
        return self.memory.remembered(name)

    async def remember(self, name: str, value: Any) -> None:
        await self.memory.remember(name, value)

    async def send(
        self, client: SiteClient, operation: Operation[Any], *, change: Change | None = None, place: int = 0
    ) -> Answer[Any]:
        if self.dies == "before":
            raise KeyboardInterrupt
        answer = await super().send(client, operation, change=change, place=place)
        self.undo += change.undo if change is not None else ()
        if self.dies == "after":
            raise KeyboardInterrupt
        return answer


async def run(verb: Any, client: SiteClient, sender: Sender) -> list[Any]:
    results: list[Any] = []
    await verb.carry_out(client, await verb.plan(client), sender, lambda one, result: results.append(result))
    return results


async def test_a_script_is_planned_and_run_and_says_what_it_did(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=2)
    written(tmp_path)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        verb = made(fleet, "steps.py:quiet", tmp_path, mode="READ_ONLY")
        dry, plans = await plan(fleet.select("all"), verb)
        report = await change(fleet.select("all"), verb)
        again = await change(fleet.select("all"), verb)

    assert dry.counts == {"changed": 2}
    assert [one.to_dict() for one in plans["sim-0001"].changes] == [
        {"item": "mode", "state": "change", "old": "EDITABLE", "new": "READ_ONLY"}
    ]
    assert report.counts == {"changed": 2}
    assert again.counts == {"noop": 2}
    assert sum(one.operation == "update" and one.changed for one in simulator.ledger) == 2
    assert any("it was EDITABLE on sim-0001" in warning.message for warning in report.warnings)


async def test_what_a_script_did_before_it_was_broken_off_is_not_done_again(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1)
    written(tmp_path)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        client = fleet.client("sim-0001")
        verb = made(fleet, "steps.py:quiet", tmp_path, mode="READ_ONLY")
        memory = MemoryNotebook()
        first = Recording(memory, dies="after")
        with pytest.raises(KeyboardInterrupt):
            await run(verb, client, first)
        # The memory is JSON, as the journal keeps it.
        memory = MemoryNotebook(json.loads(json.dumps(memory.values)))
        changes = [Change(item="mode")]
        results: list[Any] = []
        second = Recording(memory)
        await verb.carry_out(client, changes, second, lambda one, result: results.append(result))
        for operation in second.undo:
            await client.call(operation)
        mode = await client.call(ops.site.mode())

    assert [one.operation for one in simulator.ledger if one.operation == "update" and one.changed] == 2 * ["update"]
    assert memory.remembered("once:mode")[1]["siteMode"] == "EDITABLE"
    assert mode["siteMode"] == "EDITABLE"
    assert results[0].outcome in ("changed", "noop")


async def test_a_blind_change_that_may_have_been_sent_is_never_sent_again(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        client = fleet.client("sim-0001")
        memory = MemoryNotebook()
        export = ops.site.export("/backup")
        assert export.read_back is None
        assert not export.idempotent
        broken = Context(client, {}, sender=Recording(memory, dies="before"))
        with pytest.raises(KeyboardInterrupt):
            await broken.change(export)
        again = Context(client, {}, sender=Recording(memory))
        with pytest.raises(FateUnknown, match="may have been sent before"):
            await again.change(export)

    assert not any(one.operation == "exportSite" for one in simulator.ledger)


async def test_an_error_of_the_script_is_its_site_s_with_the_line_and_no_secret(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1)
    file = written(tmp_path)
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if "raise KeyError" in text)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        # `simulated` is the password of the inventory: it was looked up by the time that the script breaks.
        await fleet.client("sim-0001").login()
        verb = made(fleet, "steps.py:breaks", tmp_path, secret="simulated")
        report = await change(fleet.select("all"), verb)

    outcome = report.outcomes[0]
    assert outcome.outcome == "failed"
    assert isinstance(outcome.error, ServerFailed)
    assert f"steps.py:{line}: KeyError" in outcome.error.message
    assert "simulated" not in outcome.error.message


async def test_a_script_without_a_planner_is_planned_by_its_digest(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1)
    file = written(tmp_path)
    rollout = Rollout(name="own", select="all", steps=(Step(name="own", do="steps.py:unplanned"),))
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        (before,) = await made(fleet, "steps.py:unplanned", tmp_path).plan(fleet.client("sim-0001"))
        first = script_digests(rollout, tmp_path)
        file.write_text(SCRIPT + "\n# changed\n")
        (after,) = await made(fleet, "steps.py:unplanned", tmp_path).plan(fleet.client("sim-0001"))
        second = script_digests(rollout, tmp_path)

    assert before.new == {"script": "steps.py:unplanned", "digest": first["steps.py"]}
    assert after.new == {"script": "steps.py:unplanned", "digest": second["steps.py"]}
    assert first != second


async def test_a_script_that_others_can_write_is_not_loaded(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1)
    file = written(tmp_path)
    rollout = Rollout(name="own", select="all", steps=(Step(name="own", do="steps.py:quiet"),))
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        for do, told in (("steps.py:quite", "did you mean quiet?"), ("nowhere.py:f", "can't be read")):
            with pytest.raises(UsageError) as caught:
                made(fleet, do, tmp_path)
            assert told in str(caught.value)
        file.write_text("async def quiet(client, context:\n    pass\n")
        with pytest.raises(UsageError, match=r"steps\.py:1: it is no Python"):
            made(fleet, "steps.py:quiet", tmp_path)
        file.write_text(f"raise ValueError('simulated')\n{SCRIPT.replace('from __future__ import annotations', '')}")
        with pytest.raises(UsageError, match=r"steps\.py:1: it can't be loaded \(ValueError\)$"):
            made(fleet, "steps.py:quiet", tmp_path)
        file.write_text("open(__file__ + '.ran', 'w').close()\n")
        file.chmod(0o666)
        with pytest.raises(UsageError, match="others can write it"):
            made(fleet, "steps.py:quiet", tmp_path)
        with pytest.raises(UsageError, match="others can write it"):
            script_digests(rollout, tmp_path)

    assert not (tmp_path / "steps.py.ran").exists()


async def test_a_plan_changes_nothing(simulate: Simulate, write_inventory: Write, tmp_path: Path) -> None:
    simulator = await simulate(sites=1)
    changing = SCRIPT + "\n\nasync def plan_unplanned(client, context):\n    await unplanned(client, context)\n"
    written(tmp_path, changing)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        with pytest.raises(SiteError, match="a plan changes nothing"):
            await made(fleet, "steps.py:unplanned", tmp_path).plan(fleet.client("sim-0001"))

    assert not any(one.changed for one in simulator.ledger if one.operation != "generateToken")
