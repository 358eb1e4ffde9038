"""The docs do what they say: what stands in their blocks is run, and what it prints is compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests import pages

PAGES = {
    str(page.relative_to(pages.ROOT)): page
    for page in [pages.ROOT / "README.md", *sorted((pages.ROOT / "docs").rglob("*.md"))]
}
RUN = [name for name, page in PAGES.items() if pages.runnable(pages.read(page))]

NOT_RUN: dict[str, list[str]] = {
    "docs/how-to/compare-sites.md": ["it is a part of an inventory"],
    "README.md": ["make itself runs it in .ci/run", "it would install something"],
    "docs/how-to/monitor.md": ["it is the configuration of a monitor"],
    "docs/how-to/run-from-ci-and-cron.md": ["it is the file of a CI system", "it is a crontab"],
    "docs/how-to/write-a-health-check.md": ["it would install something"],
}
"""The blocks that can't be run here, by page: why. Nothing is added here that could be run."""


@pytest.mark.parametrize("name", RUN)
def test_the_page_does_what_it_says(name: str, tmp_path: Path) -> None:
    pages.run(PAGES[name], tmp_path)


def test_what_is_not_run_has_a_reason_and_is_counted() -> None:
    found = {
        name: [reason for block in pages.blocks(page) for reason in block.notes.get("not run", [])]
        for name, page in PAGES.items()
    }
    assert {name: reasons for name, reasons in found.items() if reasons} == NOT_RUN


@pytest.mark.parametrize("name", PAGES)
def test_code_stands_in_blocks_that_say_what_they_are(name: str) -> None:
    tokens = MarkdownIt().parse(PAGES[name].read_text(encoding="utf-8"))
    assert [token.map for token in tokens if token.type == "code_block"] == [], "indented code is run by nobody"
    languages = {token.info for token in tokens if token.type == "fence"}
    assert languages <= {"console", "python", "toml", "json", "text", "ini", "yaml"}


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith(("docs/how-to", "docs/tut", "README"))])
def test_commands_that_a_reader_types_are_run(name: str) -> None:
    texts = [block.text for block in pages.blocks(PAGES[name]) if block.language == "text" and not block.notes]
    assert [text for text in texts if text.lstrip("$ ").startswith(("fleet ", "make "))] == []
