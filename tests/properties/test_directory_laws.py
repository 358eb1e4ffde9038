"""Laws of the simulator's pages: where a login leads, which place a path is, and that whatever a site holds is text."""

from __future__ import annotations

import asyncio
import time
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

from hypothesis import example, given, settings
from hypothesis import strategies as st

from fleet.simulator.call import Call
from fleet.simulator.directory.pages import page
from fleet.simulator.directory.sessions import safe_place
from fleet.simulator.directory.tree import locate, nodes
from fleet.simulator.ledger import Ledger
from fleet.simulator.site import SimulatedSite
from fleet.simulator.state import SiteState
from fleet.simulator.tokens import TokenBook

BASE = "http://127.0.0.1:16081"
ALLOWED = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "link",
        "body",
        "header",
        "p",
        "a",
        "span",
        "b",
        "nav",
        "ol",
        "li",
        "main",
        "h1",
    ),
    *("h2", "section", "ul", "table", "thead", "tbody", "tr", "th", "td", "div", "code", "footer"),
}

redirects = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from(["/", "\\", "..", ".", "%2e", "arcgis", "admin", "rest", "x.example", "?", "#", "@", ":", "a"]),
        max_size=10,
    ).map("".join),
    st.text(max_size=20).map(lambda text: f"/arcgis/admin{text}"),
)


@given(redirects)
@example("/arcgis/admin/../../x")
@example("/arcgis/admin/%2E%2e/x")
@example("/arcgis/admin/\t/x")
def test_a_login_leads_to_a_page_of_this_place_whatever_is_asked(asked: str) -> None:
    place = safe_place("/arcgis", asked)
    there = urlsplit(urljoin(f"{BASE}/arcgis/admin/login", place))
    assert f"{there.scheme}://{there.netloc}" == BASE
    assert there.path.startswith(("/arcgis/admin", "/arcgis/rest"))
    assert place.isprintable()


names = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda text: "." not in text and not any(text.lower() == node.last.lower() for node in nodes().values())
)


@given(st.sampled_from(sorted(nodes())), st.data())
def test_a_path_is_the_place_that_it_was_made_from(template: str, data: st.DataObject) -> None:
    parts = []
    for part in template.split("/"):
        if part.startswith("<name>."):
            kind = "MapServer" if part.endswith("<type>") else "GPServer"
            parts.append(f"{data.draw(names)}.{kind}")
        else:
            parts.append(data.draw(names) if part.startswith("<") else part)
    found = locate("/".join(parts))
    assert found is not None
    assert found.path == template


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=12)
    | st.sampled_from(["<script>", "</td>", '"', "{{1}}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


class Read(HTMLParser):
    """The tags of a page, and the text of its cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, one in value.items() for text in (key, *texts(one))]
    return [text for one in value for text in texts(one)] if isinstance(value, list) else []


@given(
    st.dictionaries(st.text(max_size=6).filter(lambda key: key not in ("resources", "operations")), values, max_size=4)
)
@settings(max_examples=60)
def test_whatever_a_definition_holds_is_text_of_its_page(definition: dict[str, Any]) -> None:
    book = TokenBook({"siteadmin": "simulated"})
    state = SiteState("s", release="11.3", seed=1, clock=time.time, services=1, folders=0, machines=1)
    site = SimulatedSite("s", url=f"{BASE}/arcgis", context="/arcgis", state=state, tokens=book, ledger=Ledger(None))
    service = state.add_service("", "Roads", "MapServer")
    service.definition = {"serviceName": "Roads", **definition}
    token, _ = book.issue("siteadmin", 60)
    call = Call(site, "GET", "admin/services/Roads.MapServer", {}, base=BASE)
    reply, _ = asyncio.run(page(site, call, token))
    assert reply.body is not None
    read = Read(reply.body.decode())
    assert read.tags <= ALLOWED
    shown = "".join(read.text.split())
    for text in texts({**definition, "serviceName": "Roads"}):
        assert "".join(text.split()) in shown or text == ""
