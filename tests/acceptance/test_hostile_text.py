"""A site whose names and logs are written by somebody hostile: nothing of it takes effect anywhere it is shown."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import unicodedata
from collections.abc import Awaitable, Callable
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import anyio.to_thread
import pytest
from markdown_it import MarkdownIt

from fleet.simulator import Simulator
from tests.acceptance.terminals import FLEET, Terminal

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

TEXTS = [
    "\x1b[2J\x1b]0;owned\x07", "\x9b31m\x90q\x9c", "a\r\nb\tc\x08", "\u202egnp.exe\u2066", "in\u200bvisible\ufeff",
    "=cmd|'calc'!A0", "@SUM(A1)", "| [x](http://e.example) `y` <b>z</b>", "[bold red]x[/]", "日本語 e\u0301 \U0001f44d",
    "$(touch owned);`touch owned`", "y" * 5000,
]  # fmt: skip
COLOUR = re.compile("\x1b\\[[0-9]+m")
COPIED = re.compile(r'fleet (?:machines|services) start (?:[\w./~-]+|"[\w./~?*-]+") -s sim-0001')


@pytest.fixture
async def hostile(simulate: Simulate) -> Simulator:
    simulator = await simulate(sites=2, services=0, machines=1)
    state = simulator.sites["sim-0001"].state
    for number, text in enumerate(TEXTS):
        service = state.add_service("", text.replace("/", "_"), "MapServer")
        service.definition["description"] = text
        service.real = "STOPPED"
        state.log("SEVERE", (number, text))
    machine = next(iter(state.machines.values()))
    del state.machines[machine.name]
    machine.name = "$(TOUCH OWNED)\x1b[31M"
    machine.real = "STOPPED"
    state.machines[machine.name] = machine
    return simulator


def harmless(text: str, allowed: str = "\n") -> None:
    for character in COLOUR.sub("", text):
        assert character in allowed or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp"), (
            repr(character),
            text[max(0, text.index(character) - 60) :][:160],
        )


HEALTH = ["health", "--also", "log_errors"]
SERVICES = ["call", "admin/services", "--merge"]
LOGS = ["call", "admin/logs/query", "--merge", "union"]
FORMS = ["table", "json", "ndjson", "csv", "markdown", "html"]
QUESTIONS = [
    *((HEALTH, form) for form in FORMS),
    *((LOGS, form) for form in FORMS),
    *(([*SERVICES, mode], "table") for mode in ("group", "union", "diff", "matrix")),
    (["services", "report"], "html"),
    (["logs", "query"], "html"),
    (["call", "admin/machines", "--merge", "matrix", "--trace"], "csv"),
    (["call", "admin/logs/query", "-vv"], "table"),
    (["call", "admin/logs/query", "-vv", "--log-format", "json", "--trace"], "table"),
    (["call", "admin/services/none.MapServer", "-vv"], "table"),
]


@pytest.mark.parametrize(
    ("question", "form"), QUESTIONS, ids=lambda value: value if isinstance(value, str) else value[1]
)
async def test_text_of_a_site_is_data_in_every_format(
    hostile: Simulator, write_inventory: Write, question: list[str], form: str
) -> None:
    arguments = [*FLEET, *question, "-i", str(write_inventory(hostile)), "-o", form]

    def run() -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(arguments, capture_output=True, timeout=60, check=False)

    done = await anyio.to_thread.run_sync(run)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode in (0, 1), err
    assert out
    assert "Traceback" not in err
    harmless(out, "\n\t" if form == "csv" else "\n")
    harmless(err)
    match form:
        case "json":
            json.loads(out)
        case "ndjson":
            assert {json.loads(line)["site"] for line in out.splitlines()} == {"sim-0001", "sim-0002"}
        case "csv":
            rows = list(csv.reader(io.StringIO(out, newline="")))
            assert len({len(row) for row in rows}) == 1
            assert not any(cell.lstrip()[:1] in tuple("=@+") for row in rows for cell in row)
        case "markdown":
            tokens = MarkdownIt("commonmark").enable("table").parse(out)
            assert [token.type for token in tokens].count("table_open") == 1
            assert {inner.type for token in tokens for inner in token.children or ()} <= {"text", "text_special"}
        case "html":
            assert out.count("<script") == 1
            cells = re.findall(r"<td[^>]*>([^<\n]*)", out)
            assert not any(unescape(cell).lstrip()[:1] in tuple("=@+") for cell in cells)
            assert any("<b>z" in unescape(cell) for cell in cells) or "health" in question


async def test_text_of_a_site_is_data_on_a_terminal(hostile: Simulator, write_inventory: Write) -> None:
    path = str(write_inventory(hostile))

    def run() -> None:
        for question in ([*SERVICES, "diff"], LOGS, HEALTH):
            with Terminal(
                *question, "-i", path, columns=120, environment={"FORCE_COLOR": "1", "NO_COLOR": ""}
            ) as terminal:
                terminal.end()
                harmless(terminal.raw.replace("\r\n", "\n"), "\n\r")
                assert not terminal.screen.title
                told = terminal.lines
            assert any("sites" in line for line in told)

    await anyio.to_thread.run_sync(run)


async def test_builds_monitors_and_advised_commands_get_no_more_than_text(
    hostile: Simulator, write_inventory: Write
) -> None:
    path = str(write_inventory(hostile))

    async def health(form: str) -> str:
        done = await anyio.run_process([*FLEET, "health", "-i", path, "-o", form], check=False)
        return done.stdout.decode()

    xml = await health("junit")
    harmless(xml, "\n\t")
    assert xml.isascii()
    assert [suite.get("name") for suite in ElementTree.fromstring(xml)] == ["sim-0001", "sim-0002"]
    nagios = await health("nagios")
    harmless(nagios)
    assert nagios.count("|") == 1
    report = json.loads(await health("json"))
    commands = [
        check["advice"] for outcome in report["outcomes"] for check in outcome["value"]["checks"]
        if " start " in check["advice"]
    ]  # fmt: skip
    assert len(commands) == 2
    for command in commands:
        assert COPIED.fullmatch(command), "a copied command means nothing to a shell"
