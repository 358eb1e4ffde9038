"""The gate `script`: a function of the user's own, `async def quiet(selection, asked, baseline)`."""

from __future__ import annotations

import json
from typing import Any

import anyio

from fleet.errors import SiteError, UsageError
from fleet.protocol.redact import redacted
from fleet.rollout.gates.asking import remaining
from fleet.rollout.gates.given import Given
from fleet.rollout.gates.saying import cut
from fleet.rollout.spec import Gate
from fleet.rollout.steps.scripts import Script, is_script, load_script, place_of
from fleet.rollout.verbs import Making
from fleet.rollout.verdict import Asked, Verdict

__all__ = ["ScriptGate"]

BASELINE_CAP = 1 << 20
DATA_CAP = 16 << 10
"""Bytes that a baseline, and what was seen, may have as JSON."""

UNUSABLE = "unusable"
"""The one member of a baseline that the script did not come to: why."""


class ScriptGate:
    """Asks a function for a verdict: `"go"`, `"no"`, `"cannot_tell"`, or a `Verdict`.

    Whatever else it comes to is cannot tell: an error, another value, or nothing within *timeout* seconds.
    """

    def __init__(
        self,
        judge: Script,
        baseline: Script | None = None,
        *,
        timeout: float = 300.0,
    ) -> None:
        self._judge = judge
        self._baseline = baseline
        self._name = judge.path.name
        self._timeout = timeout

    @classmethod
    def of(cls, gate: Gate, given: Given, making: Making) -> ScriptGate | None:
        """The check that *gate* means; its mistakes are left with *given*."""
        timeout = given.seconds("timeout", 300.0)
        if given.has("share"):
            given.wrong("share is not for scripts: yours sees all sites and decides by itself")
        if not given.has("script"):
            given.wrong('script is missing: "FILE.py:function"')
        functions: dict[str, Script] = {}
        for name in ("script", "baseline"):
            text = given.text(name)
            if text is None:
                continue
            if not is_script(text):
                given.wrong(f'{name} is "FILE.py:function", not {text!r}')
                continue
            try:
                functions[name] = load_script(text, making.folder)
            except UsageError as error:
                given.wrong(f"{name}: {error}")
        if "script" not in functions:
            return None
        return cls(functions["script"], functions.get("baseline"), timeout=timeout)

    async def baseline(self, asked: Asked) -> Any:
        """What the function `baseline` remembers: JSON of at most 1 MiB; without one nothing."""
        if self._baseline is None:
            return None
        found = await self._run(self._baseline, remaining(asked), asked)
        if isinstance(found, _Failed):
            return {UNUSABLE: found.why}
        try:
            size = len(json.dumps(found, allow_nan=False))
        except (TypeError, ValueError, RecursionError):
            return {UNUSABLE: "its baseline is no JSON"}
        return (
            found if size <= BASELINE_CAP else {UNUSABLE: f"its baseline has {size} bytes, and may have {BASELINE_CAP}"}
        )

    async def judge(self, asked: Asked, baseline: Any) -> Verdict:
        """What the function says."""
        if self._baseline is not None and (baseline is None or _unusable(baseline)):
            why = "there is no baseline" if baseline is None else cut(str(baseline[UNUSABLE]))
            return Verdict(answer="cannot_tell", why=f"{self._name}: {why}")
        selection = remaining(asked)
        names = tuple(site.name for site in selection.sites)
        if not names:
            return Verdict(answer="cannot_tell", why="no site of the wave is left to ask")
        found = await self._run(self._judge, selection, asked, baseline)
        if isinstance(found, _Failed):
            return Verdict(answer="cannot_tell", why=found.why, sites=found.sites or names)
        if found in ("go", "no", "cannot_tell"):
            answer: Any = found
            return Verdict(answer=answer, why=f"{self._name} says {found}", sites=() if found == "go" else names)
        if isinstance(found, Verdict) and found.answer in ("go", "no", "cannot_tell"):
            data, why = _small(found.data), cut(str(found.why)) or f"{self._name} says {found.answer}"
            return Verdict(answer=found.answer, why=why, sites=tuple(map(str, found.sites)), data=data)
        what = type(found).__name__ if not isinstance(found, str) else repr(cut(found))
        why = f"{self._name} came back with {what}, which is none of go, no, cannot_tell"
        return Verdict(answer="cannot_tell", why=why, sites=names)

    async def _run(self, script: Script, *arguments: Any) -> Any:
        """What *script* came back with, or a `_Failed`."""
        try:
            with anyio.fail_after(self._timeout):
                return await script.function(*arguments)
        except SiteError as error:
            return _Failed(cut(f"{self._name}: {error}"), () if error.site is None else (error.site,))
        except TimeoutError:
            return _Failed(f"{self._name} took longer than {self._timeout:g} s")
        except (Exception, SystemExit) as error:
            # Its text is the script's own, and may hold anything: the place is enough to find it.
            return _Failed(f"{place_of(error, script.path)}: it failed ({type(error).__name__})")


class _Failed:
    """Why the script came to nothing, and the site that stood in its way."""

    def __init__(self, why: str, sites: tuple[str, ...] = ()) -> None:
        self.why = why
        self.sites = sites


def _unusable(baseline: Any) -> bool:
    return isinstance(baseline, dict) and baseline.keys() == {UNUSABLE}


def _small(data: Any) -> dict[str, Any]:
    """*data* without secrets, if it is JSON and small."""
    try:
        text = json.dumps(dict(data), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return {"left_out": "what was seen is no JSON"}
    if len(text) > DATA_CAP:
        return {"left_out": f"what was seen has {len(text)} bytes, and may have {DATA_CAP}"}
    clean: dict[str, Any] = redacted(json.loads(text))
    return clean
