"""What BigQuery would refuse is refused here, with the place, though the emulator's engine would take it."""

import threading

import pytest

from omnipipe.laptop.services.bigquery import googlesql


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("select a,,b\nfrom t", 'Syntax error: Expected end of input but got "," at [1:10]'),
        (
            "select 1\nwhere 'ü' ilike 'x'",
            'Syntax error: Expected end of input but got identifier "ilike" at [2:11]',
        ),
        ("select a::int64 from t", 'Syntax error: Expected end of input but got ":" at [1:9]'),
        ("select", "Syntax error: Unexpected end of script at [1:7]"),
        ("select cast('ü' as varchar)", "Type not found: varchar at [1:20]"),
        ("create table d.t (a varchar(3))", "Type not found: varchar at [1:21]"),
        ("select 'ü', now()", "Function not found: now at [1:13]"),
        ("select list_value(1)", "Function not found: list_value at [1:8]"),
        ("select safe.nix(1)", "Function not found: safe.nix at [1:8]"),
        ("select 1;\nselect strftime(x, '%Y')", "Function not found: strftime at [2:8]"),
    ],
)
def test_what_bigquery_refuses_is_told_with_its_place(sql: str, problem: str) -> None:
    assert googlesql.problem(sql) == problem


@pytest.mark.parametrize(
    "sql",
    [
        "-- nothing",
        "select if(a, 1, 2), date '2020-01-01', extract(day from x), current_date, max_by(a, b) from t",
        "select substring(c, 1), power(a, 2), stddev(a) from t",
        "select safe.substr('a', 1), net.host('x'), `p.d.f`(1), p.d.g(2)",
        "select * from ml.predict(model `d.m`, table d.t)",
        "select struct<a int64>(1), array<string>[], cast(x as numeric(10, 2)), cast(x as bignumeric) from t",
        "create temp function twice(x int64) as (x * 2); select twice(2)",
        "declare x int64 default 3; while x > 0 do set x = x - 1; end while;",
        "merge d.t t using d.s s on t.a = s.a when matched then delete when not matched then insert (a) values (s.a)",
        "create or replace table a.b partition by d cluster by c "
        "options (expiration_timestamp = timestamp '2020-01-01') as select 1 as d, 2 as c",
        "select * from t where true qualify row_number() over (order by a) = 1",
        "select @run_id, @@project_id",
        "select * from external_query('connection', 'select 1')",
        "execute immediate 'select 1'",
        "from d.t |> where a > 1 |> aggregate count(*) group by b",
    ],
)
def test_what_bigquery_takes_is_taken(sql: str) -> None:
    assert googlesql.problem(sql) is None


def test_several_threads_may_ask_at_once() -> None:
    found: list[str | None] = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(googlesql.problem(f"select nix_{n}()")))
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(str(each) for each in found) == sorted(
        f"Function not found: nix_{n} at [1:8]" for n in range(20)
    )


def test_a_refusal_leaves_no_memory_behind() -> None:
    language = googlesql.language()
    for number in range(300):
        assert language.problem(f"select a,,{number}") is not None
    before = language._exports["memory"].data_len()  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]
    for number in range(500):
        assert language.problem(f"select a,,{number}, {'x, ' * 2000} 1") is not None
    assert language._exports["memory"].data_len() == before  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]
