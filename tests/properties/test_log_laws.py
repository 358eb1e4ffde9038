"""The laws of merged logs: one order whatever comes when, nothing lost or doubled, and no more held than there is room."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.admin.log_pages import FRUITLESS, MOST, LogPages, LogQuery
from fleet.aggregate.newest import NewestFirst
from fleet.errors import BadAnswer, UsageError

TIMES = st.integers(0, 12)
SEQUENCES = st.lists(st.lists(TIMES, max_size=12), min_size=1, max_size=5)


def as_rows(sequences: list[list[int]]) -> list[list[tuple[int, tuple[int, int]]]]:
    """Each sequence newest first; a row is its place and its arrival."""
    return [
        [(time, (place, arrival)) for arrival, time in enumerate(sorted(times, reverse=True))]
        for place, times in enumerate(sequences)
    ]


def in_order(rows: list[list[tuple[int, tuple[int, int]]]]) -> list[tuple[int, int]]:
    flat = [(time, row) for mine in rows for time, row in mine]
    return [row for time, row in sorted(flat, key=lambda pair: (-pair[0], pair[1]))]


@given(SEQUENCES, st.data())
def test_any_interleaving_of_pages_gives_the_order_of_sorting_all(
    sequences: list[list[int]], data: st.DataObject
) -> None:
    rows = as_rows(sequences)
    merge: NewestFirst[tuple[int, int]] = NewestFirst(len(rows))
    left = [list(mine) for mine in rows]
    unfinished = set(range(len(rows)))
    given_: list[tuple[int, int]] = []
    most = 0
    while unfinished:
        place = data.draw(st.sampled_from(sorted(unfinished)))
        count = data.draw(st.integers(0, 4))
        page, left[place] = left[place][:count], left[place][count:]
        if left[place] or data.draw(st.booleans()):
            # The border may lie anywhere between what was told and what comes.
            newest = left[place][0][0] if left[place] else 0
            told = page[-1][0] if page else None
            merge.push(place, page, newest if told is None else data.draw(st.integers(newest, told)))
        else:
            merge.push(place, page, page[-1][0] if page else 0)
            merge.end(place)
            unfinished.discard(place)
        most = max(most, merge.held)
        taken = merge.take(data.draw(st.integers(0, 5)))
        assert all(place == row[0] for place, row in taken)
        given_ += [row for _, row in taken]
        # Nothing that is certain waits: what blocks has nothing of its own here.
        merge_blocked = merge.blocked_by
        assert merge_blocked is None or merge.waiting(merge_blocked) == 0
    while taken := merge.take(3):
        given_ += [row for _, row in taken]
    assert given_ == in_order(rows)
    assert merge.ended
    assert merge.held == 0
    assert merge.most_held == most


@given(SEQUENCES)
def test_a_row_waits_only_for_a_site_that_can_still_have_a_newer_one(sequences: list[list[int]]) -> None:
    rows = as_rows(sequences)
    merge: NewestFirst[tuple[int, int]] = NewestFirst(len(rows) + 1)
    silent = len(rows)
    for place, mine in enumerate(rows):
        merge.push(place, mine, mine[-1][0] if mine else 0)
        merge.end(place)
    assert merge.take() == []
    assert merge.blocked_by == silent
    merge.push(silent, [], 6)
    # A site that stands last in the inventory comes last among equal times: what is as old as its border is certain.
    assert [row for _, row in merge.take(1000)] == [row for row in in_order(rows) if rows[row[0]][row[1]][0] >= 6]
    merge.end(silent)
    assert len(merge.take(1000)) == sum(time < 6 for mine in rows for time, _ in mine)


def test_what_was_given_can_not_be_taken_back() -> None:
    merge: NewestFirst[str] = NewestFirst(1)
    merge.push(0, [(5, "a")], 5)
    for rows, border in (([(6, "b")], 5), ([(4, "b")], 5), ([(3, "b"), (4, "c")], 3)):
        with pytest.raises(ValueError, match="newer than what came before"):
            merge.push(0, rows, border)
    merge.end(0)
    merge.end(0)
    with pytest.raises(ValueError, match="has ended"):
        merge.push(0, [], 0)


def record(time: Any, code: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": "WARNING", "time": time, "code": code, "machine": "A", "message": "m", **more}


class Site:
    """A site that answers as the page about the wire says, the records at a border once more."""

    def __init__(self, records: Sequence[dict[str, Any]], *, most: int = MOST, end: str = "last") -> None:
        self.records = sorted(records, key=lambda one: -one["time"])
        self.most = most
        self.end = end
        self.asked: list[dict[str, str]] = []

    def answer(self, parameters: Any) -> dict[str, Any]:
        self.asked.append(dict(parameters))
        newest, oldest = int(parameters.get("startTime", 10**15)), int(parameters.get("endTime", 0))
        found = [one for one in self.records if oldest <= one["time"] <= newest]
        size = min(int(parameters["pageSize"]), self.most)
        shown, more = found[:size], len(found) > size
        end = shown[-1]["time"] if more else oldest
        if self.end == "oldest":
            end = oldest
        answer = {"hasMore": more, "startTime": newest, "endTime": end, "logMessages": shown}
        if self.end == "none":
            del answer["endTime"]
        return answer


def read_all(site: Site, pages: LogPages) -> list[tuple[int, dict[str, Any]]]:
    found: list[tuple[int, dict[str, Any]]] = []
    while not pages.done:
        before = pages.border
        rows = pages.take(site.answer(pages.operation().parameters))
        assert all(time <= before for time, _ in rows)
        assert all(newer[0] >= older[0] for newer, older in itertools.pairwise([*found, *rows]))
        found += rows
    return found


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2)), max_size=80),
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from(["last", "oldest", "none"]),
)
def test_every_record_is_read_once_whatever_the_pages_and_the_equal_times(
    told: list[tuple[int, int]], size: int, keep: int, end: str
) -> None:
    site = Site([record(time, code) for time, code in told], end=end)
    pages = LogPages(LogQuery(), size=size, keep=keep)
    found = read_all(site, pages)
    assert Counter((time, one["code"]) for time, one in found) == Counter(told)
    assert pages.notes == {}


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(0, 40), st.integers(0, 40))
def test_times_that_are_asked_for_hold_also_where_the_site_does_not_heed_them(
    times: list[int], oldest: int, newest: int
) -> None:
    class Deaf(Site):
        def answer(self, parameters: Any) -> dict[str, Any]:
            return super().answer({"pageSize": "10000"})

    site = Deaf([record(time) for time in times])
    pages = LogPages(LogQuery(oldest=oldest, newest=newest))
    found = read_all(site, pages)
    assert sorted(time for time, _ in found) == sorted(time for time in times if oldest <= time <= newest)


def test_a_burst_is_read_with_larger_pages_and_the_next_page_is_of_the_usual_size() -> None:
    times = [900, *[500] * 300, *range(100)]
    site = Site([record(time, place) for place, time in enumerate(times)])
    pages = LogPages(LogQuery(), size=10)
    assert len(read_all(site, pages)) == len(times)
    assert pages.notes == {}
    assert {asked["pageSize"] for asked in site.asked} == {"10", str(MOST)}
    assert site.asked[-1]["pageSize"] == "10"
    assert len(site.asked) < 50


def test_a_burst_beyond_the_largest_page_is_told_and_what_is_older_is_read() -> None:
    times = [9, *[5] * (MOST + 500), 3, 2, 1]
    site = Site([record(time, place) for place, time in enumerate(times)])
    pages = LogPages(LogQuery(), size=1000)
    found = read_all(site, pages)
    assert [time for time, _ in found if time < 5] == [3, 2, 1]
    assert len(found) >= MOST
    assert "more log records are of one millisecond (5) than a page can hold" in pages.notes["log_burst"]


def test_a_site_that_gives_less_than_is_asked_for_is_told_too() -> None:
    site = Site([record(time, place) for place, time in enumerate([9, *[5] * 50, 3])], most=10)
    pages = LogPages(LogQuery(), size=10)
    assert [time for time, _ in read_all(site, pages)][-1] == 3
    assert "log_burst" in pages.notes


@pytest.mark.parametrize(
    "page",
    [
        {"hasMore": True, "startTime": 9, "endTime": 9, "logMessages": [record(9)]},
        {"hasMore": True, "startTime": 9, "endTime": 99, "logMessages": [record(9)]},
        {"hasMore": True, "logMessages": []},
        {"hasMore": True, "endTime": "soon", "logMessages": []},
        {"hasMore": "true", "startTime": 9, "endTime": 9, "logMessages": [record(9, code) for code in range(2000)]},
    ],
)
def test_rule_n11_paging_that_does_not_move_ends_with_an_error(page: dict[str, Any]) -> None:
    pages = LogPages(LogQuery())
    with pytest.raises(BadAnswer, match="paging does not"):
        for _ in range(3 * FRUITLESS):
            pages.take(page)


def test_rule_n11_pages_that_move_and_bring_nothing_end_too() -> None:
    pages = LogPages(LogQuery())
    with pytest.raises(BadAnswer, match="100 pages in a row brought nothing new"):
        for step in range(10_000):
            pages.take({"hasMore": True, "endTime": 10_000 - step, "logMessages": []})
    assert pages.pages <= FRUITLESS + 2


@pytest.mark.parametrize("answer", [{}, {"logMessages": None}, {"logMessages": ["text"]}, {"logMessages": {"a": 1}}])
def test_an_answer_without_records_is_none(answer: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer, match="holds no log records"):
        LogPages(LogQuery()).take(answer)


def test_odd_records_are_kept_and_told() -> None:
    pages = LogPages(LogQuery())
    told = [record(5), record("7"), record(None, 1), record(6), record(2**70, 2)]
    rows = pages.take({"hasMore": False, "startTime": 9, "logMessages": told})
    assert sorted(one["code"] for _, one in rows) == [0, 0, 0, 1, 2]
    assert [time for time, _ in rows] == sorted((time for time, _ in rows), reverse=True)
    assert set(pages.notes) == {"log_order", "log_time"}


def test_records_newer_than_was_asked_for_are_left_out_and_told() -> None:
    pages = LogPages(LogQuery(newest=10))
    rows = pages.take({"hasMore": False, "logMessages": [record(11), record(10), record(4)]})
    assert [time for time, _ in rows] == [10, 4]
    assert "log_border" in pages.notes


def test_a_page_that_is_too_large_is_asked_for_with_fewer_records() -> None:
    pages = LogPages(LogQuery(), size=1000)
    sizes = []
    while pages.smaller():
        sizes.append(int(pages.operation().parameters["pageSize"]))
    assert sizes == [250, 62, 15, 3, 1]
    site = Site([record(5, place) for place in range(3)], most=1)
    read_all(site, pages)
    assert "log_burst" in pages.notes


def test_what_the_site_can_filter_is_sent_and_checked_again() -> None:
    query = LogQuery(
        codes=(9511,), services=("Roads/Signs.MapServer",), machines=("gis1.Example.com",), contains="Wait"
    )
    assert query.pushed_down() == {
        "codes": [9511],
        "services": ["Roads/Signs.MapServer"],
        "machines": ["gis1.Example.com", "GIS1.EXAMPLE.COM", "gis1.example.com"],
    }
    wanted = query.filtered()
    assert wanted is not None
    good = record(1, 9511, source="Roads/Signs.MapServer", machine="GIS1.EXAMPLE.COM", message="wait a bit")
    assert wanted(good)
    assert wanted({**good, "code": "9511"})
    for other in ({"code": 1}, {"source": "Server"}, {"machine": "GIS2"}, {"message": "go"}, {"message": None}):
        assert not wanted({**good, **other})
    assert LogQuery(services=("Roads/*",), machines=("gis?",)).pushed_down() == {"services": "*", "machines": "*"}
    assert LogQuery().filtered() is None
    with pytest.raises(UsageError, match="no log level 'LOUD'; there are SEVERE"):
        LogQuery(level="LOUD")
