"""Names of services are kept for the shell: privately, as far as they are names, and never in anybody's way."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from fleet.history.names import recall, remember


def test_what_is_remembered_is_recalled() -> None:
    remember("oslo", ["Maps/Roads.MapServer", "Trees.MapServer"])
    remember("bergen", ["Trees.MapServer", "Maps/Quays.MapServer"])
    assert recall(["oslo"]) == ["Maps/Roads.MapServer", "Trees.MapServer"]
    assert recall() == ["Maps/Quays.MapServer", "Maps/Roads.MapServer", "Trees.MapServer"]
    remember("oslo", ["New.MapServer"])
    assert recall(["oslo"]) == ["New.MapServer"]
    assert recall(["trondheim"]) == []


def test_only_the_user_may_read_them() -> None:
    remember("oslo", ["Maps/Roads.MapServer"])
    folder = Path(os.environ["FLEET_CACHE_DIR"]) / "services"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]


def test_what_is_no_name_is_not_kept() -> None:
    remember("oslo", ["a\x1b[31m.MapServer", "b\nc.MapServer", "", "x" * 301, "ok.MapServer"])
    assert recall() == ["ok.MapServer"]
    for site in ("../oslo", "", "a/b", ".hidden", "x" * 64):
        remember(site, ["ok.MapServer"])
    folder = Path(os.environ["FLEET_CACHE_DIR"]) / "services"
    assert [path.name for path in folder.iterdir()] == ["oslo.json"]
    assert recall(["../oslo"]) == []


@pytest.mark.parametrize("text", ["", "{", '"text"', '[1, null, [], "ok.MapServer"]', "\x00", "[" * 100_000])
def test_a_broken_file_is_as_good_as_none(text: str) -> None:
    remember("oslo", ["x"])
    path = Path(os.environ["FLEET_CACHE_DIR"]) / "services" / "oslo.json"
    path.write_text(text)
    assert recall() in ([], ["ok.MapServer"])
    remember("oslo", ["new.MapServer"])
    assert recall() == ["new.MapServer"]


def test_a_folder_that_can_t_be_made_stops_nobody() -> None:
    Path(os.environ["FLEET_CACHE_DIR"]).write_text("in the way")
    remember("oslo", ["x.MapServer"])
    assert recall() == []
