"""Rollouts and plans from the JSON values that they were kept as: the inverse of what the values tell of themselves. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.rollout.plan import SCHEMA, Plan, PlannedStep, SitePlan
from fleet.rollout.spec import Amount, Budget, Gate, Rollout, Step, Wave, Window

__all__ = ["plan_of", "rollout_of"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def rollout_of(told: Mapping[str, Any]) -> Rollout:
    """The rollout whose `to_dict` is *told*; raises `ValueError` for what none is told as."""
    try:
        return _rollout(told)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no rollout: {type(error).__name__} at {error}") from None


def plan_of(told: Mapping[str, Any]) -> Plan:
    """The plan whose `to_dict`, or `content`, is *told*.

    Raises `ValueError` for what none is told as, for another schema, and for a digest that is not that of the rest.
    """
    if not isinstance(told, Mapping) or told.get("schema") != SCHEMA:
        raise ValueError(f"it is no plan of the schema {SCHEMA}")
    try:
        plan = Plan(
            rollout=_rollout(told["rollout"]),
            waves=tuple(tuple(wave) for wave in told["waves"]),
            sites={name: _site(site) for name, site in told["sites"].items()},
            made=told["made"],
            tool=told["tool"],
            inventory=told["inventory"],
            folder=told["folder"],
            scripts=dict(told["scripts"]),
            seconds=told["seconds"],
            unread=dict(told["unread"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no plan: {type(error).__name__} at {error}") from None
    if "digest" in told and told["digest"] != plan.digest:
        raise ValueError("it was changed after it was made, or is not whole: its digest is not that of what it says")
    return plan


def _rollout(told: Mapping[str, Any]) -> Rollout:
    strategy, budget = told["strategy"], told["budget"]
    return Rollout(
        name=told["name"],
        select=told["select"],
        steps=tuple(Step(name=one["name"], do=one["do"], given=one.get("with", {})) for one in told["steps"]),
        waves=tuple(
            Wave(size=one["size"], approve=one.get("approve", False), soak=one.get("soak")) for one in strategy["waves"]
        ),
        canary=strategy.get("canary"),
        width=strategy["width"],
        order=strategy["order"],
        spread=strategy.get("spread"),
        apart=strategy.get("apart"),
        soak=strategy["soak"],
        soak_every=strategy["soak_every"],
        on_failure=strategy["on_failure"],
        windows=tuple(_window(one) for one in strategy["windows"]),
        run=_budget(budget["run"]),
        wave=_budget(budget["wave"]),
        strict=budget.get("strict", False),
        gates=tuple(_gate(one) for one in told["gates"]),
    )


def _budget(told: Mapping[str, Any]) -> Budget:
    amounts = {name: Amount.parse(told[name]) for name in ("failed", "unreachable") if name in told}
    return Budget(**amounts)


def _window(told: Mapping[str, Any]) -> Window:
    days = frozenset(DAYS.index(day) for day in told["days"].split(",") if day)
    return Window(days=days, begin=told["from"], end=told["to"], zone=told["zone"])


def _gate(told: Mapping[str, Any]) -> Gate:
    given = {name: value for name, value in told.items() if name not in ("when", "check", "waves")}
    return Gate(when=told["when"], check=told["check"], given=given, waves=tuple(told.get("waves", ())))


def _site(told: Mapping[str, Any]) -> SitePlan:
    return SitePlan(digest=told["digest"], steps=tuple(_step(one) for one in told["steps"]))


def _step(told: Mapping[str, Any]) -> PlannedStep:
    return PlannedStep(
        name=told["name"],
        item=told["item"],
        state=told["state"],
        old=told["old"],
        new=told["new"],
        why=told.get("why", ""),
        undo=told["undo"],
    )
