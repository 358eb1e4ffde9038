"""Leases whatever happens in whatever order: one holder at the most is accepted, and none holds a site for ever."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fleet.errors import LockHeld
from fleet.history.leases import LASTS, SLACK, LeaseRows, fences
from fleet.history.sqlite import Sqlite

SITES = [f"https://s{number}.example.net/arcgis" for number in range(3)]
HOLDERS = range(3)

some_sites = st.frozensets(st.sampled_from(SITES), min_size=1)
holders = st.sampled_from(HOLDERS)


class LeaseMachine(RuleBasedStateMachine):
    """Three processes and three sites, with a clock that goes on, and is set forward and back."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.time = 1_790_000_000.0
        database = Sqlite(Path(self.folder.name) / "state" / "fleet.db", clock=lambda: self.time)
        self.connections = [database.connect(durable=False) for _ in HOLDERS]
        self.rows = [LeaseRows(connection, f"rollout {number}") for number, connection in enumerate(self.connections)]
        self.mine: list[dict[str, int]] = [{} for _ in HOLDERS]
        """What each holder believes to have: URL -> fence."""
        self.issued: dict[tuple[str, int], int] = {}
        self.newest = dict.fromkeys(SITES, 0)
        self.held: dict[str, tuple[int, float]] = {}
        """URL -> who has it and until when, as it should be."""

    def teardown(self) -> None:
        if hasattr(self, "connections"):
            for connection in self.connections:
                connection.close()
            self.folder.cleanup()

    def in_the_way(self, holder: int, urls: Iterable[str], over: int | None = None) -> list[str]:
        found = []
        for url in sorted(urls):
            if url not in self.held:
                continue
            who, until = self.held[url]
            if until > self.time + LASTS + SLACK:
                until = self.time + LASTS
                self.held[url] = who, until
            if who not in (holder, over) and until > self.time:
                found.append(url)
        return found

    def took(self, holder: int, urls: Iterable[str], taken: dict[str, int]) -> None:
        assert set(taken) == set(urls)
        for url, fence in taken.items():
            if self.mine[holder].get(url) == fence and self.held.get(url, (None,))[0] == holder:
                assert fence == self.newest[url]
            else:
                assert fence > self.newest[url], "a fence only ever grows"
                assert (url, fence) not in self.issued
            self.newest[url] = fence
            self.issued[url, fence] = holder
            self.mine[holder][url] = fence
            self.held[url] = holder, self.time + LASTS

    @rule(holder=holders, urls=some_sites)
    def take(self, holder: int, urls: frozenset[str]) -> None:
        expected = self.in_the_way(holder, urls)
        try:
            taken = self.rows[holder].take({url: url for url in urls})
        except LockHeld as error:
            assert expected
            assert all(url in str(error) for url in expected)
            assert not any(url in str(error) for url in SITES if url not in expected)
            assert "(process " in str(error)
        else:
            assert not expected, "nobody takes what another one has"
            self.took(holder, urls, taken)

    @rule(holder=holders, dead=holders, urls=some_sites)
    def take_over(self, holder: int, dead: int, urls: frozenset[str]) -> None:
        expected = self.in_the_way(holder, urls, dead)
        try:
            taken = self.rows[holder].take({url: url for url in urls}, over=f"rollout {dead}")
        except LockHeld:
            assert expected
        else:
            assert not expected
            self.took(holder, urls, taken)

    @rule(holder=holders)
    def renew(self, holder: int) -> None:
        wanted = {url for url, (who, _) in self.held.items() if who == holder}
        assert self.rows[holder].renew() == {url: self.mine[holder][url] for url in wanted}
        for url in wanted:
            self.held[url] = holder, self.time + LASTS

    @rule(holder=holders, urls=st.none() | some_sites)
    def release(self, holder: int, urls: frozenset[str] | None) -> None:
        self.rows[holder].release(urls)
        for url in SITES if urls is None else urls:
            if self.held.get(url, (None,))[0] == holder:
                del self.held[url]

    @rule(seconds=st.sampled_from([0.5, 15.0, 59.0, 60.0, 61.0, 86_400.0]))
    def time_passes(self, seconds: float) -> None:
        self.time += seconds

    @rule(seconds=st.sampled_from([1.0, 4.0, 30.0, 3600.0, 86_400.0]))
    def the_clock_is_set_back(self, seconds: float) -> None:
        self.time -= seconds

    @rule(holder=holders)
    @precondition(lambda self: self.held)
    def whoever_waits_a_minute_after_it_was_refused_gets_everything(self, holder: int) -> None:
        self.in_the_way(holder, SITES)
        try:
            taken = self.rows[holder].take({url: url for url in SITES})
        except LockHeld:
            self.time += LASTS + SLACK
            taken = self.rows[holder].take({url: url for url in SITES})
        self.took(holder, SITES, taken)

    @invariant()
    def one_holder_at_the_most_is_accepted(self) -> None:
        if not hasattr(self, "connections"):
            return
        good = fences(self.connections[0], SITES)
        for url in SITES:
            accepted = [holder for holder in HOLDERS if url in good and self.mine[holder].get(url) == good[url]]
            assert accepted == ([self.held[url][0]] if url in self.held else [])


TestLeases = LeaseMachine.TestCase
