"""Every row of Datastream's type mapping, through the log and through the backfill, and what has no counterpart."""

import datetime as dt
import json
import math
import re
from decimal import Decimal

import pytest

from tests.laptop.services.datastream.conftest import Pipeline

UTC = dt.UTC
# column type, literal, BigQuery type, value there
MAPPING = [
    ("smallint", "-7", "INT64", -7),
    ("integer", "2147483647", "INT64", 2147483647),
    ("bigint", "9223372036854775807", "INT64", 9223372036854775807),
    ("oid", "4000000000", "INT64", 4000000000),
    ("real", "1.5", "FLOAT64", 1.5),
    ("double precision", "'-Infinity'", "FLOAT64", -math.inf),
    ("double precision", "0.1", "FLOAT64", 0.1),
    ("money", "-1234.56", "FLOAT64", -1234.56),
    ("numeric", "'NaN'", "STRING", "NaN"),
    (
        "numeric",
        "123456789012345678901234567890.123456789012",
        "STRING",
        "123456789012345678901234567890.123456789012",
    ),
    ("numeric(9,2)", "1234567.89", "NUMERIC", Decimal("1234567.89")),
    (
        "numeric(38,9)",
        "12345678901234567890123456789.123456789",
        "NUMERIC",
        Decimal("12345678901234567890123456789.123456789"),
    ),
    ("numeric(30,15)", "1.000000000000001", "BIGNUMERIC", Decimal("1.000000000000001")),
    ("numeric(90,2)", "1.00", "STRING", "1.00"),
    ("boolean", "true", "BOOL", True),
    ("boolean", "false", "BOOL", False),
    ("date", "'0001-01-01'", "DATE", dt.date(1, 1, 1)),
    ("date", "'9999-12-31'", "DATE", dt.date(9999, 12, 31)),
    ("timestamp", "'2024-02-29 23:59:59.999999'", "TIMESTAMP", dt.datetime(2024, 2, 29, 23, 59, 59, 999999, UTC)),
    ("timestamptz", "'2024-07-01 01:00:00.5+02'", "TIMESTAMP", dt.datetime(2024, 6, 30, 23, 0, 0, 500000, UTC)),
    ("time", "'23:59:59.123456'", "TIME", dt.time(23, 59, 59, 123456)),
    ("timetz", "'01:00:00+02'", "TIME", dt.time(23, 0)),
    ("char(3)", "'ab'", "STRING", "ab "),
    ("varchar(10)", "'ä\"\\,\n'", "STRING", 'ä"\\,\n'),
    ("text", "''", "STRING", ""),
    ("text", "'\\N'", "STRING", "\\N"),
    ("mood", "'happy'", "STRING", "happy"),
    ("percent", "42", "INT64", 42),
    ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "STRING", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("xml", "NULL", "STRING", None),  # the embedded server is built without libxml and makes no such value
    ("inet", "'10.0.0.1/8'", "STRING", "10.0.0.1/8"),
    ("cidr", "'10.0.0.0/8'", "STRING", "10.0.0.0/8"),
    ("macaddr", "'08:00:2b:01:02:03'", "STRING", "08:00:2b:01:02:03"),
    ("tsvector", "'a:1 b:2'", "STRING", "'a':1 'b':2"),
    ("json", """'{"a": [1, null]}'""", "JSON", {"a": [1, None]}),
    ("jsonb", """'{"b": "x"}'""", "JSON", {"b": "x"}),
    ("integer[]", "'{{1,NULL},{3,4}}'", "JSON", [[1, None], [3, 4]]),
    ("text[]", """'{"a,b","",NULL,"NULL"}'""", "JSON", ["a,b", "", None, "NULL"]),
    ("boolean[]", "'{t,f}'", "JSON", [True, False]),
    ("numeric[]", "'{1.50,NaN}'", "JSON", [1.5, "NaN"]),
    ("jsonb[]", """ARRAY['{"k": 1}'::jsonb]""", "JSON", [{"k": 1}]),
    ("bytea", "'\\x00ff'", "BYTES", b"\x00\xff"),
    ("bit(3)", "B'101'", "BYTES", b"\xa0"),
    ("varbit", "B'1111111110'", "BYTES", b"\xff\x80"),
]
UNSUPPORTED = ["box", "circle", "line", "lseg", "path", "point", "polygon"]


def test_each_type_through_log_and_backfill(pipeline: Pipeline):
    columns = ", ".join(f"c{i} {pg}" for i, (pg, *_) in enumerate(MAPPING))
    unsupported = ", ".join(f"u{i} {pg}" for i, pg in enumerate(UNSUPPORTED))
    names = ", ".join(f"c{i}" for i in range(len(MAPPING)))
    values = ", ".join(literal for _, literal, *_ in MAPPING)
    pipeline.publish(
        "t",
        "CREATE TYPE mood AS ENUM ('happy', 'sad')",
        "CREATE DOMAIN percent AS int CHECK (VALUE <= 100)",
        f"CREATE TABLE t (id int PRIMARY KEY, {columns}, duration interval, {unsupported})",
        f"INSERT INTO t (id, {names}) VALUES (1, {values}), (2, {', '.join(['NULL'] * len(MAPPING))})",
    )
    pipeline.start()
    pipeline.catch_up()
    pipeline.execute(
        f"INSERT INTO t (id, {names}) VALUES (3, {values}), (4, {', '.join(['NULL'] * len(MAPPING))})",
    )
    pipeline.catch_up()
    schema = pipeline.emulator.client.get_table(f"{pipeline.name}.public_t").schema
    made = {field.name: field.field_type for field in schema}
    assert [made[f"c{i}"] for i in range(len(MAPPING))] == [bigquery for _, _, bigquery, _ in MAPPING]
    assert not [name for name in made if name.startswith("u")]
    rows = {row[0]: row[1:] for row in pipeline.rows(f"SELECT id, {names} FROM {{public_t}}")}
    expected = tuple(value for *_, value in MAPPING)
    for got in (rows[1], rows[3]):
        assert [(MAPPING[i][0], value) for i, value in enumerate(got)] == [
            (MAPPING[i][0], value) for i, value in enumerate(expected)
        ]
    assert rows[2] == rows[4] == (None,) * len(MAPPING)


@pytest.mark.parametrize("backfilled", [True, False])
def test_intervals(pipeline: Pipeline, backfilled: bool):
    ddl = ["CREATE TABLE t (id int PRIMARY KEY, v interval)"]
    insert = "INSERT INTO t VALUES (1, '1 year 2 mons -3 days +04:05:06.7'), (2, '-1 mons'), (3, '0'), (4, NULL)"
    pipeline.publish("t", *ddl, *([insert] if backfilled else []))
    pipeline.start()
    pipeline.catch_up()
    if not backfilled:
        pipeline.execute(insert)
        pipeline.catch_up()
    # The emulator's answer garbles the signs of an interval's parts, so they are asked for one by one.
    parts = ", ".join(f"EXTRACT({part} FROM v)" for part in ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"))
    assert pipeline.rows(f"SELECT {parts} FROM {{public_t}} ORDER BY id") == [
        (1, 2, -3, 4, 5, 6),
        (0, -1, 0, 0, 0, 0),
        (0, 0, 0, 0, 0, 0),
        (None,) * 6,
    ]


ODD = [
    ("numeric(5,2)", "'NaN'", "1.00"),
    ("numeric(40,20)", "1.00000000000000000001", "1"),
    ("date", "'infinity'", "'2024-01-01'"),
    ("date", "'10000-01-01'", "'2024-01-01'"),
    ("timestamptz", "'-infinity'", "now()"),
    ("timestamp", "'0044-03-15 12:00 BC'", "now()"),
    ("time", "'24:00:00'", "'12:00'"),
    ("interval", "'infinity'", "'1 day'"),
    ("json", """'"\\ud800"'""", "'1'"),
]


@pytest.mark.parametrize("backfilled", [True, False])
def test_values_without_counterpart_become_dead_letters_and_nothing_else_is_held_up(
    pipeline: Pipeline, dead_letters: None, backfilled: bool
):
    columns = ", ".join(f"c{i} {pg}" for i, (pg, *_) in enumerate(ODD))
    good = ", ".join(value for *_, value in ODD)
    inserts = [f"INSERT INTO t VALUES (0, {good})"]
    for i, (_, odd, _) in enumerate(ODD):
        values = [odd if j == i else value for j, (*_, value) in enumerate(ODD)]
        inserts.append(f"INSERT INTO t VALUES ({i + 1}, {', '.join(values)})")
    inserts.append(f"INSERT INTO t VALUES (100, {good})")
    ddl = f"CREATE TABLE t (id int PRIMARY KEY, {columns})"
    pipeline.publish("t", ddl, *(inserts if backfilled else []))
    pipeline.start()
    pipeline.catch_up()
    if not backfilled:
        pipeline.execute(*inserts)
        pipeline.catch_up()
    assert pipeline.rows("SELECT id FROM {public_t} ORDER BY id") == [(0,), (100,)]
    letters = pipeline.emulator.rows(
        f"SELECT payload, reason FROM ops.dead_letters WHERE origin = '{pipeline.name}' ORDER BY reason"
    )
    kept = {json.loads(payload)["values"]["id"]: reason for payload, reason in letters}
    assert sorted(map(int, kept)) == list(range(1, len(ODD) + 1))
    assert all(f"c{int(i) - 1}" in reason or "BigQuery refuses it" in reason for i, reason in kept.items())
    assert len([line for line in pipeline.logged() if line["severity"] == "WARNING"]) >= len(ODD)


def test_an_event_over_20_megabytes_is_a_dead_letter_and_without_a_table_for_them_a_line_in_a_file(
    pipeline: Pipeline,
):
    pipeline.publish("t", "CREATE TABLE t (id int PRIMARY KEY, v text)")
    pipeline.emulator.client.delete_table("ops.dead_letters", not_found_ok=True)
    pipeline.start()
    pipeline.catch_up()
    pipeline.execute(
        "INSERT INTO t VALUES (1, 'small')", "INSERT INTO t VALUES (2, repeat('x', 21 * 1024 * 1024))"
    )
    pipeline.catch_up()
    assert pipeline.changes("public_t", "id") == [("INSERT", 1)]
    (line,) = (pipeline.state_dir / "dead_letters.jsonl").read_text().splitlines()
    letter = json.loads(line)
    assert "Datastream takes 20971520" in letter["reason"]
    assert json.loads(letter["payload"])["values"] == {
        "id": "2",
        "v": {"type": "STRING", "characters": 21 * 1024 * 1024},
    }


@pytest.mark.parametrize("backfilled", [True, False])
def test_a_dead_letter_and_the_log_quote_no_value_and_say_how_to_find_the_row(
    pipeline: Pipeline, dead_letters: None, backfilled: bool
):
    columns = "born date, joined date, profile json, email text, phone text, note text"
    insert = (
        "INSERT INTO people VALUES"
        " (7, 'o''hara', '10012-03-14', '2024-01-01', '1', 'ada@example.com', '+49171555', ''),"
        """ (8, 'b', '2000-01-01', '2024-01-01', '"secret-\\ud800"', 'bob@example.com', NULL, 'n')"""
    )
    ddl = f"CREATE TABLE people (id int, name text, {columns}, PRIMARY KEY (name, id))"
    pipeline.publish("people", ddl, *([insert] if backfilled else []))
    pipeline.start()
    pipeline.catch_up()
    if not backfilled:
        pipeline.execute(insert)
        pipeline.catch_up()
    found = pipeline.emulator.rows(
        f"SELECT payload, reason FROM ops.dead_letters WHERE origin = '{pipeline.name}' ORDER BY payload"
    )
    letters = {json.loads(payload)["values"]["id"]: (json.loads(payload), reason) for payload, reason in found}
    assert letters.keys() == {"7", "8"}
    payload, reason = letters["7"]
    assert payload["values"] == {
        "id": "7",
        "name": "o'hara",
        "born": {"type": "DATE", "characters": 11},
        "joined": {"type": "DATE", "characters": 10},
        "profile": {"type": "JSON", "characters": 1},
        "email": {"type": "STRING", "characters": 15},
        "phone": {"type": "STRING", "characters": 9},
        "note": {"type": "STRING", "characters": 0},
    }
    assert reason.startswith("born: a value of 11 characters that is no DATE. ")
    (query,) = re.findall("at the source, (SELECT .*) shows", reason)
    with pipeline.connect() as connection:
        assert connection.execute(query.replace("*", "id")).fetchall() == [(7,)]  # Python has no such date
    assert letters["8"][0]["values"]["phone"] is None
    assert letters["8"][1].startswith("BigQuery refuses it: ")
    written = str(found) + pipeline.log.read_text()
    for value in ("10012", "secret", "ud800", "ada@", "bob@", "49171555"):
        assert value not in written


def test_a_dead_letter_of_a_table_without_a_key_says_that_the_row_cannot_be_found(
    pipeline: Pipeline, dead_letters: None
):
    pipeline.publish("t", "CREATE TABLE t (born date, email text)", "ALTER TABLE t REPLICA IDENTITY NOTHING")
    pipeline.start()
    pipeline.catch_up()
    pipeline.execute("INSERT INTO t VALUES ('infinity', 'ada@example.com'), ('infinity', 'bob@example.com')")
    pipeline.catch_up()
    letters = pipeline.emulator.rows(f"SELECT reason FROM ops.dead_letters WHERE origin = '{pipeline.name}'")
    assert len(letters) == 2
    assert all("no key to find the row by" in reason for (reason,) in letters)
