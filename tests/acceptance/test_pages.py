"""The docs do what they say: what stands in their blocks is run, and what it prints is compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import pages

PAGES = {
    str(page.relative_to(pages.ROOT)): page
    for page in [pages.ROOT / "README.md", *sorted((pages.ROOT / "docs").rglob("*.md"))]
}
RUN = [name for name, page in PAGES.items() if pages.runnable(pages.read(page))]


@pytest.mark.parametrize("name", RUN)
def test_the_page_does_what_it_says(name: str, tmp_path: Path) -> None:
    pages.run(PAGES[name], tmp_path)
