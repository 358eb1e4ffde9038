"""What is read of a query before anything is fetched: tables, columns, and the terms that bound what is fetched."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fleet.errors import UsageError
from fleet.inventory.model import Site
from fleet.rows.table import Wanted
from fleet.sql.cache import Cache
from fleet.sql.database import ANSWER, Database, QueryFailed
from fleet.sql.pruning import Demand, demands_of
from fleet.sql.query import read_query

SITES = [
    Site(name="oslo", url="https://oslo.example.com/arcgis", labels={"tier": "prod", "region": "north"}),
    Site(name="bergen", url="https://bergen.example.com/arcgis", labels={"tier": "prod"}),
    Site(name="test-1", url="https://test.example.com/arcgis", labels={"tier": "test", "region": "north"}),
]
LABELS = ["label_tier", "label_region"]
NOW = 1_800_000_000.0


def demands(text: str) -> dict[str, Demand]:
    database = Database(NOW)
    found = demands_of(read_query(text, labels=LABELS), SITES, database)
    database.close()
    return {demand.table: demand for demand in found}


def sites(text: str, table: str = "services") -> set[str]:
    return set(demands(text)[table].sites)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("site = 'oslo'", {"oslo"}),
        ("site in ('oslo', 'bergen') and max > 1", {"oslo", "bergen"}),
        ("site like 'TEST%'", {"test-1"}),
        ("site glob 'TEST*'", set()),
        ("label_tier = 'prod' and label_region = 'north'", {"oslo"}),
        ("(site = 'oslo' and max > 1)", {"oslo"}),
        ("s.site >= 'oslo'", {"oslo", "test-1"}),
        ("site = 'nowhere'", set()),
        # What is not a plain term joined by `and` bounds nothing.
        ("site = 'oslo' or max > 1", {"oslo", "bergen", "test-1"}),
        ("not site = 'oslo'", {"oslo", "bergen", "test-1"}),
        ("site is null", {"oslo", "bergen", "test-1"}),
        ("lower(site) = 'oslo'", {"oslo", "bergen", "test-1"}),
        ("site = (select 'oslo')", {"oslo", "bergen", "test-1"}),
        ("site = serviceName", {"oslo", "bergen", "test-1"}),
        ("coalesce(label_region, 'north') = 'north'", {"oslo", "bergen", "test-1"}),
        ("site = 'oslo' collate nocase", {"oslo", "bergen", "test-1"}),
    ],
)
def test_sites_that_no_row_can_come_from_are_not_asked(where: str, expected: set[str]) -> None:
    assert sites(f"select * from services s where {where}") == expected


def test_a_table_that_is_named_twice_is_fetched_for_both() -> None:
    text = "select * from services where site = 'oslo' union all select * from services where site = 'bergen'"
    assert sites(text) == {"oslo", "bergen"}
    text = "select * from services where site = 'oslo' union all select * from services"
    assert sites(text) == {"oslo", "bergen", "test-1"}


def test_a_term_belongs_to_the_table_that_it_names() -> None:
    found = demands("select * from services a left join sites b on a.site = b.site where a.site = 'oslo'")
    assert found["services"].sites == {"oslo"}
    assert found["sites"].sites == {"oslo", "bergen", "test-1"}
    # Without a name it may be either's.
    found = demands("select * from services a join sites b using (site) where site = 'oslo'")
    assert found["services"].sites == {"oslo", "bergen", "test-1"}


def test_a_subquery_bounds_its_own_tables_only() -> None:
    text = "with a as (select site from services where site = 'oslo') select * from a join statistics using (site)"
    found = demands(text)
    assert found["services"].sites == {"oslo"}
    assert found["statistics"].sites == {"oslo", "bergen", "test-1"}


def test_a_common_table_hides_one_of_the_fleet() -> None:
    assert demands("with services as (select 1 as n) select * from services") == {}


def test_columns_that_cost_are_fetched_where_they_are_named() -> None:
    assert demands("select * from services")["services"].wanted.columns is None
    wanted = demands("select PROVIDER from services")["services"].wanted.columns
    assert wanted is not None
    assert "provider" in wanted
    assert "minInstancesPerNode" not in wanted


def test_folders_are_bounded() -> None:
    assert demands("select 1 from services where folderName = 'Planning'")["services"].wanted.folders == {"Planning"}
    assert demands("select 1 from services where folderName in ('A', 'B') and folderName = 'B'")[
        "services"
    ].wanted.folders == {"B"}
    assert demands("select 1 from services where folderName like 'P%'")["services"].wanted.folders is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("select 1 from servces", "did you mean services?"),
        ("select 1 from main.services", "tables have plain names"),
        ("select from where", "can't be read at line 1"),
        ("", "the query is empty"),
        ("select 1; select 2", "one query at a time"),
        ("delete from services", "begins with select or with"),
        ("pragma user_version", "begins with select or with"),
        ("select 1 -- " + "x" * 100_001, "longer than"),
        ("select " + "(" * 3000 + "1" + ")" * 3000, "can't be"),
    ],
)
def test_what_is_no_query_is_told(text: str, told: str) -> None:
    with pytest.raises(UsageError) as mistake:
        read_query(text)
    assert told in str(mistake.value)


@pytest.mark.parametrize(
    "text",
    [
        "attach 'x.db' as x",
        "select load_extension('x')",
        "create table x (a)",
        "select writefile('x', 'y')",
        "insert into services (site) values ('x')",
        "select * from sqlite_master",
        "select * from pragma_database_list",
        "select nothing from services",
    ],
)
def test_the_database_does_nothing_but_read_the_tables(text: str) -> None:
    from fleet.rows.table import Column

    database = Database(NOW)
    database.create("services", [Column("site", "text", "")])
    with pytest.raises(UsageError):
        database.check(text)
    database.close()


def test_cells_become_what_their_column_says() -> None:
    from fleet.rows.table import Column

    database = Database(NOW)
    kinds = ("text", "integer", "real", "boolean", "time", "json")
    database.create("t", [Column(kind, kind, "") for kind in kinds])  # type: ignore[arg-type]
    database.insert(
        "t", [{"text": 5, "integer": "12", "real": "1.5", "boolean": "true", "time": "9", "json": {"b": 1}}]
    )
    database.insert("t", [{"text": True, "integer": "many", "real": None, "boolean": "maybe", "json": [1]}])
    database.insert("t", [{"integer": 2**70}])
    _, rows = database.run("select * from t", 10)
    assert rows == [
        ("5", 12, 1.5, 1, 9, '{"b":1}'),
        ("true", "many", None, "maybe", None, "[1]"),
        (None, float(2**70), None, None, None, None),
    ]
    _, rows = database.run("select ago('2h'), ago('1d')", 10)
    assert rows == [((NOW - 7200) * 1000, (NOW - 86400) * 1000)]
    database.close()


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("select randomblob(1000000000)", "string or blob too big"),
        (
            "with recursive n(x) as (select 1 union all select x + 1 from n limit 1000000) "
            "select printf('%.*c', 20000000, 'x') from n",
            f"larger than {ANSWER // 1024**3} GiB",
        ),
    ],
)
def test_an_answer_that_would_fill_the_memory_is_given_up(query: str, told: str) -> None:
    database = Database(NOW)
    with pytest.raises(QueryFailed, match=told):
        database.run(query, 1_000_000)
    database.close()


@pytest.mark.parametrize(("age", "known"), [(0.0, True), (30.0, True), (90.0, False), (-3600.0, False)])
def test_kept_rows_answer_while_they_have_the_age(tmp_path: Path, age: float, known: bool) -> None:
    cache = Cache(tmp_path / "cache" / "rows.db", 60.0)
    cache.keep(SITES[0], "services", Wanted(), [{"service": "Roads.MapServer"}], time.time() - age)

    assert (cache.recall(SITES[0], "services", Wanted()) is not None) is known
    cache.close()
