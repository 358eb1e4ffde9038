"""Whatever a site answers: a snapshot of it is taken or it fails, is read back and exported, and differs not from itself."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.client.settings import RetryPolicy
from fleet.fanout.fleet import Fleet
from fleet.render.differences import difference_lines, difference_rows
from fleet.snapshots.comparing import Wanted, compare, compare_kept
from fleet.snapshots.export import export
from fleet.snapshots.store import Store
from fleet.snapshots.taking import save
from tests.liar import HONEST, lying
from tests.properties.test_health_answers import changed, junk, places

MORE: Mapping[str, Any] = {
    "admin/": {"currentVersion": 11.3, "fullVersion": "11.3.0", "resources": ["machines"]},
    "admin/services/Roads.MapServer": {"serviceName": "Roads", "extensions": [{"typeName": "KmlServer"}]},
    "admin/services/Planning/Zones.MapServer": {"serviceName": "Zones", "properties": {"a": "1"}},
    "admin/services/Planning/permissions": {"permissions": []},
    "admin/machines/M1": {"machineName": "M1"},
    "admin/data/items": {"rootItems": ["/fileShares"]},
    "admin/data/findItems": {"items": [{"path": "/fileShares/maps", "info": {"path": "/srv"}}]},
    "admin/security/users/getUsers": {"users": [{"username": "ann"}], "hasMore": False},
    "admin/security/roles/getRoles": {"roles": [{"rolename": "publishers"}], "hasMore": False},
    "admin/security/roles/getRolesByPrivilege": {"roles": [{"rolename": "publishers"}], "hasMore": False},
    "admin/security/roles/getUsersWithinRole": {"users": ["ann"], "hasMore": False},
    "admin/security/tokens": {"properties": {"sharedKey": "x"}},
}
ANSWERS = {**HONEST, **MORE}


@st.composite
def lies(draw: st.DrawFn) -> dict[str, Any]:
    """Answers of a site of which some are bent: members replaced or left out, or another HTTP status."""
    told: dict[str, Any] = {name: (200, value) for name, value in MORE.items()}
    for resource in draw(st.lists(st.sampled_from(sorted(ANSWERS)), min_size=1, max_size=6, unique=True)):
        value = copy.deepcopy(ANSWERS[resource])
        for _ in range(draw(st.integers(0, 3))):
            value = changed(value, draw(st.sampled_from(list(places(value)))), draw(st.just(...) | junk))
        told[resource] = (draw(st.sampled_from([200] * 8 + [401, 403, 404, 500, 503])), value)
    return told


@settings(max_examples=max(30, settings.default.max_examples // 2))  # type: ignore[union-attr]
@given(lies())
def test_no_answer_of_a_site_raises_anything_out_of_a_snapshot(told: dict[str, Any]) -> None:
    async def go(folder: Path) -> None:
        async with lying() as liar:
            liar.answers.update(told)
            path = folder / "inventory.toml"
            path.write_text(liar.inventory + "retries = 0\n", encoding="utf-8")
            store = Store(folder / "snapshots")
            async with Fleet.from_inventory(path, timeout=20, retry=RetryPolicy(base=0.0, cap=0.0)) as fleet:
                kept, report = await save(fleet.select(), store=store)
                (outcome,) = report.outcomes
                assert outcome.ok or outcome.error.message  # type: ignore[union-attr]
                if kept is None:
                    assert not outcome.ok
                    return
                store.verify(kept)
                export(store, kept, folder / "export")
                for wanted in (Wanted(since=kept), Wanted(since=kept, masked=False)):
                    comparison, _ = await compare(fleet.select(), wanted, store=store)
                    assert difference_rows(comparison) == []
                between, _ = compare_kept(fleet, fleet.select().sites, Wanted(to=kept), store=store)
                assert difference_lines(between, 1) == []

    with tempfile.TemporaryDirectory() as name:
        anyio.run(go, Path(name))
