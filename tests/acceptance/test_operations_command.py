"""`fleet operations` as people and scripts use it: without a site, without an inventory, without the network."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from fleet.admin.catalogue import catalogue
from fleet.render.operations import call_of


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fleet", "operations", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def listed(folder: Path, *words: str) -> list[dict[str, str]]:
    done = run(folder, *words, "-o", "csv")
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_all_operations_are_listed(tmp_path: Path) -> None:
    rows = listed(tmp_path)
    assert [row["name"] for row in rows] == [entry.name for entry in catalogue().entries]
    assert len(rows) > 216
    assert list(rows[0]) == ["name", "method", "path", "effect", "since", "evidence"]
    (guessed,) = [row for row in rows if row["name"] == "kml.createKmz"]
    assert guessed["evidence"] == "guessed"


def test_words_and_options_narrow_the_list(tmp_path: Path) -> None:
    names = [row["name"] for row in listed(tmp_path, "services", "permissions", "--effect", "change")]
    assert names == ["services.folder.permissions.add", "services.folder.permissions.clean", "services.permissions.add"]
    assert {row["effect"] for row in listed(tmp_path, "--effect", "disrupt")} == {"disrupt"}
    new = {row["name"] for row in listed(tmp_path, "--since", "11")}
    assert "machines.sslcertificates.update" in new
    assert "mode" not in new
    old = {row["name"] for row in listed(tmp_path, "--release", "10.3")}
    assert "usagereports" in old
    assert not {"mode", "machines.hardware", "services.changeProvider"} & old


def test_one_operation_is_explained(tmp_path: Path) -> None:
    done = run(tmp_path, "services.changeProvider", "-o", "table")
    assert done.returncode == 0
    for told in (
        "POST admin/services/<folder>/<name>.<type>/changeProvider",
        "restarts services",
        "its effect is read back",
        "since       10.7",
        "one attempt may take 300 s",
        "provider: enum; required; ArcObjects11|DMaps",
        "https://developers.arcgis.com/rest/enterprise-administration/server/change-provider",
        "fleet call admin/services/FOLDER/NAME.TYPE/changeProvider -p provider=ArcObjects11 --change -s SITES",
        "ops.services.change_provider",
    ):
        assert told in " ".join(done.stdout.split()) or told in done.stdout, told


@pytest.mark.parametrize(
    "word", ["admin/services/Maps/Roads.MapServer/start", "services/Roads.MapServer/start", "services.start"]
)
def test_a_path_is_explained_too(tmp_path: Path, word: str) -> None:
    (told,) = json.loads(run(tmp_path, word, "-o", "json").stdout)
    assert told["name"] == "services.start"
    assert told["seconds"] == 600
    assert told["idempotent"]
    assert told["read_back"]
    assert told["functions"] == ["ops.services.start"]


def test_a_path_that_is_read_and_changed_is_explained_twice(tmp_path: Path) -> None:
    told = json.loads(run(tmp_path, "admin/upgrade", "-o", "json").stdout)
    assert [one["name"] for one in told] == ["upgrade", "upgrade.start"]
    assert told[1]["call"] == "fleet call admin/upgrade --method POST --change -s SITES"
    assert told[1]["asynchronous"]


def test_a_guess_is_called_one(tmp_path: Path) -> None:
    done = run(tmp_path, "uploads.commit", "-o", "table")
    assert "a guess: neither its parameters nor its answer are confirmed" in done.stdout
    assert "--force" in done.stdout


def test_parameters_are_rows_in_markdown(tmp_path: Path) -> None:
    done = run(tmp_path, "logs.settings.edit", "-o", "markdown")
    assert "| logs.settings.edit | maxLogFileAge | int | true | 90 |" in done.stdout.replace("\\", "").replace(
        "True", "true"
    )


@pytest.mark.parametrize(
    ("word", "nearest"),
    [("servces.startt", "services.start"), ("changeProvidr", "services.changeProvider"), ("quux", None)],
)
def test_an_unknown_word_is_answered_with_the_nearest_names(tmp_path: Path, word: str, nearest: str | None) -> None:
    done = run(tmp_path, word)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "no operation has" in done.stderr
    assert nearest is None or nearest in done.stderr


def test_a_release_that_is_none_is_refused(tmp_path: Path) -> None:
    assert run(tmp_path, "--release", "newest").returncode == 2


def test_every_line_that_calls_an_operation_finds_it_again() -> None:
    for entry in catalogue().entries:
        if "exchange" in entry.name:
            continue
        path = call_of(entry).split(" ")[2].removeprefix("portal:").replace("NAME.TYPE", "Roads.MapServer")
        method = "POST" if "--method POST" in call_of(entry) else None
        found = catalogue().find(path, method, portal=entry.base == "portal")
        assert found is entry, call_of(entry)
