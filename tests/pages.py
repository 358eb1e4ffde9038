"""Pages of the docs as a test runs them: block after block, in a folder of their own, beside simulated sites.

What is done with a block follows from its language:

- `console`: each line that begins with `$ ` is typed at a bash on a terminal of 100 columns. What stands below it is
  what it prints, with `...` for anything. It ends with status 0.
- `python`: run, with `await` where it is wanted. The blocks of a page share their names.
- `toml`: an inventory, and `fleet inventory check` finds sites and no mistake in it; a file `rollout.toml` is none.
- `json` and `text`: not run.

More is said by comments in front of a block, which readers don't see:

- `<!-- status: 0 1 -->`: the statuses that the commands of the block end with.
- `<!-- types: y -->`: what is typed when the command asks; one comment for each question.
- `<!-- first: COMMAND -->`: what is typed before the block.
- `<!-- prints -->`: the block is what the one before it printed. Times, durations and ports are not compared, nor is
  how JSON is laid out. `<!-- prints: EXPRESSION -->`: the block is what JMESPath finds in that.
- `<!-- file: NAME -->`: the block is that file from here on. A `pyproject.toml` counts as installed.
- `<!-- pytest -->`: the block is a module of tests, and they pass.
- `<!-- not run: REASON -->`: the block can't be run here. `test_pages.py` counts these.

A page calls its sites by addresses such as `https://gis-oslo.example.com/arcgis`; where commands run, these stand for the
simulated sites'. `<!-- ill: SITE=FAULT -->` anywhere on a page makes one of its sites ill.

With `REWRITE_DOCS=1` in the environment what was printed is written into the page.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jmespath
import pexpect
from anyio.from_thread import start_blocking_portal
from sybil import Document, Example, Region
from sybil.parsers.markdown.lexers import DirectiveInHTMLCommentLexer, FencedCodeBlockLexer

from fleet.simulator import Simulator
from tests.processes import free_base

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 30.0
"""Seconds that one command may take."""

SITES = {
    "oslo": 'groups = ["prod", "nordics"]\nlabels = { role = "hosting" }\nprotected = true',
    "bergen": 'groups = ["prod", "nordics"]',
    "narvik": 'groups = ["test", "nordics"]',
    "gis01": 'groups = ["prod"]\nlabels = { region = "emea" }',
    "gis02": 'groups = ["prod"]\nlabels = { region = "emea" }',
}
"""The sites of every page, with what its inventory says of each."""

HEAD = """[defaults]
username = "siteadmin"
password = { env = "FLEET_PASSWORD" }

[groups.prod]
labels = { tier = "prod" }

[groups.nordics]

[groups.test]
"""
NOTE = DirectiveInHTMLCommentLexer(r"not run|status|types|first|prints|file|pytest|ill", r"[^\n]*?")
MARK = re.compile("\x01(\\d+)\x02")


@dataclass
class Block:
    """A block of a page: its language, its text, and the notes in front of it."""

    language: str
    text: str
    notes: dict[str, list[str]] = field(default_factory=dict)


def read(page: Path) -> Document:
    """*page* with its blocks, each of which is evaluated by the `shell` in the document's namespace."""
    return Document.parse(str(page), _blocks)


def _blocks(document: Document) -> Iterator[Region]:
    notes = list(NOTE(document))
    before = 0
    for region in FencedCodeBlockLexer(r"[^\n]*")(document):
        own = [note for note in notes if before <= note.start < region.start]
        block = Block(region.lexemes["language"].strip(), str(region.lexemes["source"]))
        for note in own:
            block.notes.setdefault(note.lexemes["directive"], []).append((note.lexemes["arguments"] or "").strip())
        before = region.end
        region.parsed = block
        region.evaluator = _evaluate
        yield region


def _evaluate(example: Example) -> str | None:
    evaluated: str | None = example.namespace["page"].run(example)
    return evaluated


def ill(document: Document) -> list[tuple[str, str]]:
    """The sites of a page that are ill, each with its fault."""
    found = [note.lexemes["arguments"].strip() for note in NOTE(document) if note.lexemes["directive"] == "ill"]
    return [tuple(text.split("=", 1)) for text in found]  # type: ignore[misc]


def plain(text: str) -> str:
    """*text* without what differs from run to run: times, durations, ports, sizes, names of requests and snapshots."""
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME", text)
    text = re.sub(r'("elapsed": ?|time="|time=|seconds=|"seconds": ?)\d+(\.\d+)?', r"\g<1>0", text)
    text = re.sub(r"\b\d+(\.\d+)? (s|ms)\b", "0 s", text)
    text = re.sub(r"\b\d{8}T\d{6}Z-[0-9a-f]{8}\b", "ID", text)
    text = re.sub(r"\b\d+(\.\d+)? (B|kB|MB)\b", "0 B", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def fits(shown: str, printed: str) -> bool:
    """Whether *printed* is what a page shows."""
    pattern = re.escape(plain(shown)).replace(re.escape("..."), "(?s:.*)")
    return re.fullmatch(pattern, plain(printed)) is not None


def laid_out(value: Any, indent: str = "") -> str:
    """*value* as JSON with everything on one line that fits there."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= 110 or not isinstance(value, dict | list) or not value:
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        parts = [f"{inner}{json.dumps(key)}: {laid_out(one, inner)}" for key, one in value.items()]
        return "{\n" + ",\n".join(parts) + f"\n{indent}}}"
    return "[\n" + ",\n".join(f"{inner}{laid_out(one, inner)}" for one in value) + f"\n{indent}]"


class Page:
    """A page that runs: its folder, its sites, its terminal, and what was printed last."""

    def __init__(self, document: Document, folder: Path, addresses: dict[str, str]) -> None:
        self.folder = folder
        self._port = free_base(40)
        # The simulator of the pages is where its first 25 sites are by default.
        simulated = {f"//127.0.0.1:{16080 + n}/": f"//127.0.0.1:{self._port + n}/" for n in range(26)}
        self._addresses = {**addresses, **simulated}
        self.printed = ""
        self.changed: list[tuple[str, str]] = []
        self._document = document
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("FLEET_", "PYTEST", "XDG_"))},
            "HOME": str(folder / "home"),
            "PATH": os.pathsep.join((str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"])),
            "PYTHONPATH": str(folder / "packages"),
            "TERM": "dumb",
            "LC_ALL": "C.UTF-8",
            "FLEET_PASSWORD": "simulated",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        }
        for name in ("home", "bin", "packages", "work"):
            (folder / name).mkdir()
        self.work = folder / "work"
        # An authority for pages on certificates: `python -m authority`.
        authority = (ROOT / "tests" / "certificates.py").read_text(encoding="utf-8")
        (folder / "packages" / "authority.py").write_text(authority, encoding="utf-8")
        self._program()
        self.shell = Shell(self.work, self._environment)

    def _program(self) -> None:
        """A `fleet` whose simulator takes ports that are free here, and ends by itself."""
        program = self.folder / "bin" / "fleet"
        program.write_text(
            "#!/bin/sh\n"
            f'[ "$1" != simulate ] || set -- "$@" --port {self._port} --for 100s\n'
            f'exec "{sys.executable}" -m fleet "$@"\n'
        )
        program.chmod(0o755)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shell.close()

    def run(self, example: Example) -> str | None:
        """Run a block; None, or what is wrong."""
        block: Block = example.parsed
        notes = block.notes
        if "not run" in notes:
            return None
        if "file" in notes:
            self._write(self.work / notes["file"][0], self._real(block.text))
            if block.language != "toml" or notes["file"][0].endswith(("pyproject.toml", "rollout.toml")):
                return None
        if "prints" in notes:
            return self._compare(block)
        if "pytest" in notes:
            return self._test(block.text)
        match block.language:
            case "console":
                return self._type(block)
            case "python":
                return self._python(example, block.text)
            case "toml":
                return self._check(block)
            case "text" | "json":
                return None
        return f"nobody knows how to run a block of {block.language or 'no language'}: say so in a comment"

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        if path.name == "pyproject.toml":
            self._install(path)

    def _install(self, path: Path) -> None:
        """What an installer leaves of a project: its modules on the path, and its entry points."""
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        for module in path.parent.glob("*.py"):
            (self.folder / "packages" / module.name).write_bytes(module.read_bytes())
        told = self.folder / "packages" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        told.mkdir()
        (told / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
        lines = []
        for group, entries in project["entry-points"].items():
            lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
        (told / "entry_points.txt").write_text("\n".join(lines) + "\n")

    def _compare(self, block: Block) -> str | None:
        shown, printed = block.text, self.printed
        if block.language == "json":
            told = json.loads(plain(printed))
            expression = block.notes["prints"][0]
            told = jmespath.search(expression, told) if expression else told
            with contextlib.suppress(ValueError):
                if json.loads(plain(shown)) == told:
                    return None
            printed = laid_out(told if expression else json.loads(printed))
        elif fits(shown, printed):
            return None
        if os.environ.get("REWRITE_DOCS"):
            self.changed.append((shown, printed.strip() + "\n"))
            return None
        return f"this was printed:\n{printed}"

    def _type(self, block: Block) -> str | None:
        steps = _steps(block.text)
        if not steps:
            return "no line begins with $"
        statuses = [int(word) for word in block.notes.get("status", [""])[0].split()] or [0] * len(steps)
        if len(statuses) != len(steps):
            return f"there are {len(steps)} commands and {len(statuses)} statuses"
        for command in block.notes.get("first", []):
            self.shell.type(command, [], "")
        for (command, shown), wanted in zip(steps, statuses, strict=True):
            printed, status = self.shell.type(self._real(command), block.notes.get("types", []), shown)
            self.printed = self._public(printed)
            if status != wanted:
                return f"{command}\nended with {status}, not with {wanted}:\n{self.printed}"
            if shown.strip() and not fits(shown, self.printed):
                return f"{command}\nprinted:\n{self.printed}"
        return None

    def _real(self, text: str) -> str:
        """*text* with the addresses of the simulated sites."""
        for public, real in self._addresses.items():
            text = text.replace(public, real)
        return text

    def _public(self, text: str) -> str:
        """*text* with the addresses that a reader would see."""
        for public, real in self._addresses.items():
            text = text.replace(real, public)
        return text

    def _python(self, example: Example, text: str) -> str | None:
        out = io.StringIO()
        padded = "\n" * example.line + text
        code = compile(padded, example.path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        with _standing_in(self.work, self._environment), contextlib.redirect_stdout(out):
            if code.co_flags & inspect.CO_COROUTINE:
                asyncio.run(eval(code, example.namespace))
            else:
                exec(code, example.namespace)
        self.printed = self._public(out.getvalue())
        return None

    def _test(self, text: str) -> str | None:
        (self.work / "test_page.py").write_text(text, encoding="utf-8")
        return self._process([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_page.py"])

    def _check(self, block: Block) -> str | None:
        name = block.notes.get("file", ["page.toml"])[0]
        if "file" not in block.notes:
            self._write(self.work / name, block.text)
        told = self._process([sys.executable, "-m", "fleet", "inventory", "check", "-i", name])
        if "file" not in block.notes:
            (self.work / name).unlink()
        if told is None and self.printed.startswith("0 sites"):
            told = "there is no site in it"
        return told

    def _process(self, command: list[str]) -> str | None:
        done = subprocess.run(
            command, cwd=self.work, env=self._environment, capture_output=True, text=True, timeout=60, check=False
        )
        self.printed = done.stdout
        return None if done.returncode == 0 else f"status {done.returncode}:\n{done.stdout}{done.stderr}"


class Shell:
    """A bash on a terminal."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._process = pexpect.spawn(
            "bash",
            ["--noprofile", "--norc", "--noediting"],
            cwd=str(folder),
            env=environment,
            dimensions=(50, 100),
            encoding="utf-8",
            codec_errors="replace",
            echo=False,
            timeout=LIMIT,
        )
        # The status of each command comes between two characters that no command prints.
        self._process.sendline("set +m; PS1= PS2= PROMPT_COMMAND='printf \"\\001%s\\002\" $?'; unset HISTFILE")
        self._process.expect(MARK)

    def type(self, command: str, answers: list[str], shown: str) -> tuple[str, int]:
        """Type *command*, and *answers* where it asks; what it printed, and its status.

        Of one in the background that is what it prints until it has printed what is *shown*.
        """
        self._process.sendline(command)
        printed = ""
        for answer in answers:
            self._process.expect(r"[:?] $|\]: $")
            printed += self._process.before + self._process.after
            # A password is not seen when it is typed.
            printed += "" if "Password" in self._process.before + self._process.after else f"{answer}\n"
            self._process.sendline(answer)
        self._process.expect(MARK)
        status = int(self._process.match[1])
        printed = _tidy(printed + self._process.before)
        while command.rstrip().endswith("&") and not fits(shown, printed):
            self._process.expect(r"[^\n]*\n")
            printed = _tidy(printed + "\n" + self._process.after)
        return printed, status

    def close(self) -> None:
        """End what still runs in the background, and the shell."""
        self._process.sendline("kill $(jobs -p) 2>/dev/null; wait; exit")
        try:
            self._process.expect(pexpect.EOF, timeout=15)
        finally:
            self._process.close(force=True)


def _tidy(text: str) -> str:
    """*text* without what bash says of jobs in the background."""
    lines = [line for line in text.replace("\r\n", "\n").splitlines() if not re.match(r"\[\d+\][ +-]", line)]
    return "\n".join(lines).strip("\n")


def _steps(text: str) -> list[tuple[str, str]]:
    """The commands of a block, each with what is shown below it."""
    steps: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], ""))
        elif steps and not steps[-1][1] and steps[-1][0].endswith("\\"):
            steps[-1] = (f"{steps[-1][0][:-1]} {line.strip()}", "")
        elif steps:
            steps[-1] = (steps[-1][0], f"{steps[-1][1]}{line}\n")
    return steps


@contextmanager
def _standing_in(folder: Path, environment: dict[str, str]) -> Iterator[None]:
    before, kept = Path.cwd(), dict(os.environ)
    os.chdir(folder)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(kept)


@contextmanager
def sites(faults: list[tuple[str, str]]) -> Iterator[tuple[dict[str, str], str]]:
    """The sites of a page, some of them ill, in a thread of their own: what their addresses stand for, their inventory."""
    names = {name: f"sim-{number:04d}" for number, name in enumerate(SITES, start=1)}
    simulator = Simulator(sites=len(SITES), faults=[(names[site], kind) for site, kind in faults])
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(simulator):
        urls = {name: simulator.sites[names[name]].url for name in SITES}
        parts = [f'[sites.{name}]\nurl = "{urls[name]}"\n{said}\n' for name, said in SITES.items()]
        addresses = {f"https://gis-{name}.example.com/arcgis": url for name, url in urls.items()}
        yield addresses, "\n".join([HEAD, *parts])


def run(page: Path, folder: Path) -> None:
    """Run all blocks of *page* in *folder*; raises where one does not do what the page says."""
    document = read(page)
    with sites(ill(document)) as (addresses, inventory), Page(document, folder, addresses) as running:
        (running.work / "inventory.toml").write_text(inventory, encoding="utf-8")
        document.namespace["page"] = running
        for example in document.examples():
            example.evaluate()
    if running.changed:
        text = page.read_text(encoding="utf-8")
        for shown, printed in running.changed:
            text = text.replace(f"\n{shown}```", f"\n{printed}```", 1)
        page.write_text(text, encoding="utf-8")


def blocks(page: Path) -> list[Block]:
    """The blocks of *page*, in order."""
    return [region.parsed for _, region in read(page).regions]


def runnable(document: Document) -> bool:
    """Whether any block of a page is run."""
    return any(
        region.parsed.language in ("console", "python", "toml") and "not run" not in region.parsed.notes
        for _, region in document.regions
    )
