"""Rollouts as rows: their plans, their journals' entries, and what others ask of them; the SQL is here, its meaning above."""

from __future__ import annotations

__all__ = [
    "ADD_ENTRY",
    "ADD_REQUEST",
    "ADD_ROLLOUT",
    "BEGUN",
    "ENDED",
    "ENTRIES",
    "ENTRIES_OF_KINDS",
    "FIND",
    "HOLDER",
    "LAST",
    "LIST",
    "NEW_REQUESTS",
    "NOTED",
    "PLAN",
    "RESULTS",
    "SEEN",
    "STATE",
    "TAKE_HOLDER",
]

COLUMNS = "key, id, name, digest, started, changed, state, shape, holder"

ADD_ROLLOUT = """
    insert into rollout (id, name, digest, started, changed, state, shape, holder, plan)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?) returning key
"""
FIND = f"select {COLUMNS} from rollout where id = ?"  # noqa: S608 - names of columns
LIST = f"select {COLUMNS} from rollout order by started desc, key desc"  # noqa: S608
NOTED = "select id from rollout order by key desc limit 5"
PLAN = "select plan from rollout where key = ?"
HOLDER = "select holder from rollout where key = ?"
TAKE_HOLDER = "update rollout set holder = ? where key = ?"
STATE = "update rollout set state = ?, changed = ? where key = ?"

ADD_ENTRY = """
    insert into rollout_entry (id, kind, phase, wave, site, step, item, fence, outcome, at, chain, data)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
LAST = "select id, chain from rollout_entry where id between ? and ? order by id desc limit 1"
ENTRY_COLUMNS = "id, kind, phase, wave, site, step, item, fence, outcome, at, chain, data"
ENTRIES = f"select {ENTRY_COLUMNS} from rollout_entry where id between ? and ? order by id"  # noqa: S608
ENTRIES_OF_KINDS = (
    f"select {ENTRY_COLUMNS} from rollout_entry where kind not in ('intent', 'answer') "  # noqa: S608
    "and id between ? and ? and kind in "
)

COUNT = """
    select phase, wave, outcome, count(*) from rollout_entry
    where kind not in ('intent', 'answer') and kind = '{}' and id between ? and ?
    group by phase, wave, outcome
"""
BEGUN, ENDED, RESULTS = (COUNT.format(kind) for kind in ("site_begun", "site_ended", "result"))

ADD_REQUEST = "insert into rollout_request (rollout, kind, wave, by_whom, at) values (?, ?, ?, ?, ?)"
NEW_REQUESTS = """
    select id, kind, wave, by_whom, at from rollout_request where rollout = ? and seen = 0 order by id
"""
SEEN = "update rollout_request set seen = 1 where id = ?"
