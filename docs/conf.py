"""How the pages become a site: `make docs`. The sidebar follows the headings and links of the index."""

from __future__ import annotations

import re
from typing import Any

project = "fleet"
html_title = "fleet"
extensions = ["myst_parser"]
myst_heading_anchors = 4
html_theme = "furo"
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False


def with_sidebar(app: Any, page: str, source: list[str]) -> None:
    """Add to the index, as Markdown readers see it, what makes a sidebar of it."""
    if page != "index":
        return
    for part in source[0].split("\n## ")[1:]:
        title = part.partition("\n")[0]
        links = "\n".join(re.findall(r"\]\(([^)#]+)\.md\)", part))
        source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{links}\n```\n"


def setup(app: Any) -> None:
    app.connect("source-read", with_sidebar)
