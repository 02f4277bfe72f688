"""What SQL needs, from its text alone."""

import pytest

from omnipipe.laptop.iam.gate import Refused
from omnipipe.laptop.services.bigquery.gate.statements import Analysis, analyse

DATASETS = "projects/p/datasets/"
RAW = f"{DATASETS}raw"


def name(resource: str) -> str:
    return resource.removeprefix(DATASETS).replace("/tables/", ".")


def needs(found: Analysis) -> set[str]:
    """``permission resource``, short."""
    return {f"{permission.removeprefix('bigquery.')} {name(resource)}" for permission, resource in found.needs}


def reads(found: Analysis) -> set[str]:
    return {name(read.table) for read in found.reads}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", set()),
        ("SELECT a FROM raw.t", {"raw.t"}),
        ("SELECT a FROM raw.t; -- and no more", {"raw.t"}),
        ("SELECT a FROM `p.raw.t`", {"raw.t"}),
        ("SELECT a FROM `p`.`raw`.`t`", {"raw.t"}),
        ("SELECT a FROM other.raw.t", {"projects/other/datasets/raw.t"}),
        ("SELECT a FROM p-q.raw.t", {"projects/p-q/datasets/raw.t"}),
        ("SELECT a FROM raw.t AS x JOIN raw.u USING (k)", {"raw.t", "raw.u"}),
        ("SELECT a FROM raw.t, raw.u", {"raw.t", "raw.u"}),
        ("SELECT * FROM raw.t x, UNNEST(x.items) i, x.others", {"raw.t"}),
        ("(SELECT a FROM raw.t) UNION ALL SELECT b FROM raw.u", {"raw.t", "raw.u"}),
        ("SELECT (SELECT MAX(b) FROM raw.u) FROM raw.t WHERE EXISTS (SELECT 1 FROM raw.v)",
         {"raw.t", "raw.u", "raw.v"}),
        ("SELECT * FROM (SELECT * FROM (SELECT a FROM raw.t))", {"raw.t"}),
        ("FROM raw.t |> WHERE a > 1 |> SELECT a", {"raw.t"}),
        ("SELECT a FROM raw.t FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()", {"raw.t"}),
        ("SELECT a FROM `raw.t$20260101`", {"raw.t"}),
        ("SELECT a FROM `p.raw.t_*` WHERE _TABLE_SUFFIX = '1'", {"raw.t_*"}),
        # Names that are no tables.
        ("SELECT 'raw.secret' AS x, \"FROM raw.secret\" FROM raw.t", {"raw.t"}),
        ("SELECT a -- FROM raw.secret\nFROM raw.t /* , raw.secret */ # JOIN raw.secret", {"raw.t"}),
        ("WITH c AS (SELECT a FROM raw.t), d AS (SELECT a FROM c) SELECT x.a FROM d AS x", {"raw.t"}),
        ("WITH RECURSIVE c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c) SELECT n FROM c, raw.t", {"raw.t"}),
        ("SELECT raw.a FROM raw.t AS raw", {"raw.t"}),
        # A common table expression hides an unqualified name only where it is seen, and never a qualified one.
        ("WITH t AS (SELECT 1 AS a) SELECT a FROM raw.t", {"raw.t"}),
        ("WITH t AS (SELECT a FROM raw.t) SELECT a FROM t", {"raw.t"}),
        ("SELECT a FROM raw.b AS c, raw.c AS b", {"raw.b", "raw.c"}),
        # Scripts.
        ("DECLARE x INT64 DEFAULT (SELECT MAX(a) FROM raw.t); SELECT x", {"raw.t"}),
        ("DECLARE x INT64; SET x = (SELECT MAX(a) FROM raw.t)", {"raw.t"}),
        ("IF (SELECT COUNT(*) FROM raw.t) > 0 THEN SELECT 1 FROM raw.u; ELSE SELECT 1 FROM raw.v; END IF",
         {"raw.t", "raw.u", "raw.v"}),
        ("FOR r IN (SELECT a FROM raw.t) DO SELECT b FROM raw.u; END FOR", {"raw.t", "raw.u"}),
        ("WHILE EXISTS (SELECT 1 FROM raw.t) DO SELECT 1 FROM raw.u; END WHILE", {"raw.t", "raw.u"}),
        ("LOOP SELECT a FROM raw.t; BREAK; END LOOP", {"raw.t"}),
        ("BEGIN SELECT a FROM raw.t; EXCEPTION WHEN ERROR THEN SELECT b FROM raw.u; END", {"raw.t", "raw.u"}),
        ("CREATE TEMP TABLE x AS SELECT a FROM raw.t; SELECT a FROM x; SELECT a FROM _SESSION.x", {"raw.t"}),
    ],
)  # fmt: skip
def test_the_tables_that_are_read(sql: str, expected: set[str]) -> None:
    found = analyse(sql, "p")
    assert reads(found) == expected
    assert needs(found) == set()


@pytest.mark.parametrize(
    ("sql", "needed", "read"),
    [
        ("INSERT INTO raw.t (a) VALUES (1)", {"tables.updateData raw.t"}, set()),
        ("INSERT raw.t (a) SELECT b FROM raw.u", {"tables.updateData raw.t"}, {"raw.u"}),
        ("INSERT INTO raw.t SELECT * FROM raw.t", {"tables.updateData raw.t"}, {"raw.t"}),
        ("INSERT INTO raw.t WITH c AS (SELECT 1) SELECT * FROM c", {"tables.updateData raw.t"}, set()),
        ("UPDATE raw.t SET a = 1 WHERE TRUE", {"tables.updateData raw.t", "tables.getData raw.t"}, {"raw.t"}),
        ("UPDATE raw.t SET a = u.a FROM raw.u AS u WHERE TRUE",
         {"tables.updateData raw.t", "tables.getData raw.t"}, {"raw.t", "raw.u"}),
        ("DELETE FROM raw.t WHERE a IN (SELECT a FROM raw.u)",
         {"tables.updateData raw.t", "tables.getData raw.t"}, {"raw.t", "raw.u"}),
        ("DELETE raw.t WHERE TRUE", {"tables.updateData raw.t", "tables.getData raw.t"}, {"raw.t"}),
        ("MERGE raw.t USING raw.u ON FALSE WHEN NOT MATCHED THEN INSERT ROW",
         {"tables.updateData raw.t", "tables.getData raw.t"}, {"raw.t", "raw.u"}),
        ("MERGE INTO raw.t AS t USING (WITH c AS (SELECT a FROM raw.u) SELECT * FROM c) AS s ON t.a = s.a "
         "WHEN MATCHED THEN DELETE", {"tables.updateData raw.t", "tables.getData raw.t"}, {"raw.t", "raw.u"}),
        ("TRUNCATE TABLE raw.t", {"tables.updateData raw.t"}, set()),
        ("CREATE TABLE raw.t (a INT64)", {"tables.create raw"}, set()),
        ("CREATE TABLE IF NOT EXISTS raw.t AS SELECT a FROM raw.u",
         {"tables.create raw", "tables.updateData raw.t"}, {"raw.u"}),
        ("CREATE OR REPLACE TABLE raw.t AS SELECT a FROM raw.u",
         {"tables.create raw", "tables.updateData raw.t", "tables.update raw.t"}, {"raw.u"}),
        ("CREATE TABLE raw.t OPTIONS (expiration_timestamp = TIMESTAMP '2027-01-01') AS SELECT 1 AS a",
         {"tables.create raw", "tables.updateData raw.t", "tables.delete raw.t"}, set()),
        ("CREATE TABLE raw.t COPY raw.u", {"tables.create raw", "tables.updateData raw.t"}, {"raw.u"}),
        ("CREATE TABLE raw.t CLONE raw.u", {"tables.create raw", "tables.updateData raw.t"}, {"raw.u"}),
        ("CREATE VIEW raw.v AS SELECT a FROM raw.u", {"tables.create raw"}, {"raw.u"}),
        ("CREATE OR REPLACE VIEW raw.v AS SELECT a FROM raw.u",
         {"tables.create raw", "tables.update raw.v"}, {"raw.u"}),
        ("DROP TABLE IF EXISTS raw.t", {"tables.delete raw.t", "tables.get raw.t"}, set()),
        ("DROP VIEW raw.v", {"tables.delete raw.v", "tables.get raw.v"}, set()),
        ("ALTER TABLE raw.t ADD COLUMN b INT64", {"tables.get raw.t", "tables.update raw.t"}, set()),
        ("CREATE SCHEMA IF NOT EXISTS d", {"datasets.create projects/p"}, set()),
        ("DROP SCHEMA raw CASCADE", {"datasets.delete raw", "tables.delete raw"}, set()),
        ("BEGIN TRANSACTION; INSERT INTO raw.t (a) VALUES (1); COMMIT TRANSACTION;",
         {"tables.updateData raw.t"}, set()),
        ("SELECT a FROM raw.t; DROP TABLE raw.u", {"tables.delete raw.u", "tables.get raw.u"}, {"raw.t"}),
        ("CREATE TEMP TABLE x (a INT64); INSERT INTO x VALUES (1); DROP TABLE x", set(), set()),
        # Metadata.
        ("SELECT * FROM raw.INFORMATION_SCHEMA.TABLES", {"tables.get raw", "tables.list raw"}, set()),
        ("SELECT * FROM `p.raw.INFORMATION_SCHEMA.COLUMNS`", {"tables.get raw", "tables.list raw"}, set()),
        ("SELECT * FROM `p`.`raw`.information_schema.partitions", {"tables.get raw", "tables.list raw"}, set()),
        ("SELECT * FROM `region-eu`.INFORMATION_SCHEMA.TABLES",
         {"tables.get projects/p", "tables.list projects/p"}, set()),
        ("SELECT * FROM INFORMATION_SCHEMA.SCHEMATA", {"datasets.get projects/p"}, set()),
        ("SELECT * FROM `p`.`region-eu`.INFORMATION_SCHEMA.JOBS", {"jobs.listAll projects/p"}, set()),
        ("SELECT * FROM raw.INFORMATION_SCHEMA.ROUTINES", {"routines.get raw", "routines.list raw"}, set()),
        ("SELECT * FROM raw.__TABLES__", {"tables.get raw", "tables.list raw"}, set()),
        ("SELECT * FROM raw.__tables_of_mine", set(), {"raw.__tables_of_mine"}),
    ],
)  # fmt: skip
def test_the_permissions_of_a_statement(sql: str, needed: set[str], read: set[str]) -> None:
    found = analyse(sql, "p")
    assert needs(found) == needed
    assert reads(found) == read


@pytest.mark.parametrize(
    "sql",
    [
        "EXECUTE IMMEDIATE 'SELECT a FROM raw.t'",
        "CALL raw.procedure(1)",
        "CREATE PROCEDURE raw.p() BEGIN SELECT a FROM raw.t; END",
        "CREATE FUNCTION raw.f() AS ((SELECT MAX(a) FROM raw.t))",
        "CREATE TABLE FUNCTION raw.f() AS SELECT a FROM raw.t",
        "SELECT raw.f(1)",
        "SELECT p.raw.f(1)",
        "SELECT `p.raw.f`(1)",
        "SELECT * FROM raw.f(1)",
        "SELECT * FROM read_parquet('/tmp/x')",
        "SELECT * FROM EXTERNAL_QUERY('connection', 'SELECT 1')",
        "SELECT * FROM ML.PREDICT(MODEL raw.m, TABLE raw.t)",
        "CREATE SNAPSHOT TABLE raw.s CLONE raw.t",
        "CREATE ROW ACCESS POLICY p ON raw.t GRANT TO ('allUsers') FILTER USING (TRUE)",
        "EXPORT DATA OPTIONS (uri = 'gs://b/*', format = 'CSV') AS SELECT a FROM raw.t",
        "LOAD DATA INTO raw.t FROM FILES (format = 'CSV', uris = ['gs://b/x'])",
        "GRANT `roles/bigquery.dataViewer` ON TABLE raw.t TO 'user:x@example.com'",
        "ALTER TABLE raw.t RENAME TO u",
        "DROP FUNCTION raw.f",
        "CREATE MODEL raw.m OPTIONS (model_type = 'linear_reg') AS SELECT a FROM raw.t",
        "IF TRUE THEN EXECUTE IMMEDIATE 'DROP TABLE raw.t'; END IF",
    ],
)
def test_what_it_cannot_judge_is_refused(sql: str) -> None:
    with pytest.raises(Refused, match=r"cannot tell which permissions|Syntax error") as refused:
        analyse(sql, "p")
    assert refused.value.code in (400, 403)


@pytest.mark.parametrize("sql", ["SELEC a FROM raw.t", "SELECT a FROM raw.t WHERE (", "SELECT 'open FROM raw.t"])
def test_what_is_no_sql_is_refused(sql: str) -> None:
    with pytest.raises(Refused):
        analyse(sql, "p")


@pytest.mark.parametrize(
    "sql", ["SELECT 1 FROM t", "WITH t AS (SELECT * FROM t) SELECT * FROM t", "INSERT INTO t SELECT 1"]
)
def test_a_name_without_a_dataset_is_that_of_the_default_dataset_or_none(sql: str) -> None:
    with pytest.raises(Refused, match='Table "t" must be qualified with a dataset') as refused:
        analyse(sql, "p")
    assert refused.value.code == 400

    found = analyse(sql, "p", RAW)
    assert reads(found) | {need.split()[1] for need in needs(found)} == {"raw.t"}


@pytest.mark.parametrize(
    ("sql", "is_read"),
    [
        ("CREATE TEMP TABLE t (a INT64); SELECT a FROM t", False),
        ("BEGIN CREATE TEMP TABLE t (a INT64); END; SELECT a FROM t", False),
        ("IF x THEN CREATE TEMP TABLE t (a INT64); SELECT a FROM t; END IF", False),
        ("CREATE TEMP TABLE t (a INT64); IF x THEN SELECT 1; END IF; SELECT a FROM t", False),
        ("CREATE TEMP TABLE t (a INT64); DROP TABLE t; SELECT a FROM t", True),
        ("CREATE TEMP TABLE t (a INT64); IF x THEN DROP TABLE t; END IF; SELECT a FROM t", True),
        ("IF x THEN CREATE TEMP TABLE t (a INT64); END IF; SELECT a FROM t", True),
        ("IF x THEN SELECT 1; ELSE CREATE TEMP TABLE t (a INT64); END IF; SELECT a FROM t", True),
        ("WHILE x DO CREATE TEMP TABLE t (a INT64); END WHILE; SELECT a FROM t", True),
        ("BEGIN CREATE TEMP TABLE t (a INT64); EXCEPTION WHEN ERROR THEN SELECT 1; END; SELECT a FROM t", True),
    ],
)
def test_a_table_is_temporary_where_it_is_so_for_certain(sql: str, is_read: bool) -> None:
    assert reads(analyse(sql, "p", RAW)) == ({"raw.t"} if is_read else set())


@pytest.mark.parametrize(
    ("sql", "is_read"),
    [
        ("SELECT email FROM raw.t", True),
        ("SELECT t.EMAIL FROM raw.t", True),
        ("SELECT a FROM raw.t WHERE email = 'x'", True),
        ("SELECT a FROM raw.t ORDER BY email", True),
        ("SELECT a FROM raw.t QUALIFY ROW_NUMBER() OVER (PARTITION BY email) = 1", True),
        ("SELECT a FROM raw.t JOIN raw.u USING (email)", True),
        ("SELECT COUNT(DISTINCT email) FROM raw.t", True),
        ("SELECT SHA256(LOWER(email)) AS e FROM raw.t", True),
        ("SELECT * FROM raw.t", True),
        ("SELECT t.* FROM raw.t", True),
        ("SELECT * EXCEPT (a) FROM raw.t", True),
        ("SELECT * EXCEPT (email) REPLACE (LOWER(email) AS a) FROM raw.t", True),
        ("SELECT t FROM raw.t", True),
        ("SELECT TO_JSON_STRING(x) FROM raw.t AS x", True),
        ("SELECT a, (SELECT AS STRUCT x.*) FROM raw.t AS x", True),
        ("WITH c AS (SELECT * FROM raw.t) SELECT a FROM c", True),
        ("SELECT v FROM raw.t UNPIVOT (v FOR k IN (email, phone))", True),
        ("INSERT INTO raw.u (a) SELECT email FROM raw.t", True),
        ("UPDATE raw.t SET email = 'x' WHERE TRUE", True),
        ("MERGE raw.u USING raw.t ON FALSE WHEN NOT MATCHED THEN INSERT ROW", True),
        ("CREATE TABLE raw.u COPY raw.t", True),
        ("SELECT a FROM raw.t", False),
        ("SELECT COUNT(*) FROM raw.t", False),
        ("SELECT 'email' AS x FROM raw.t -- email", False),
        ("SELECT a AS email FROM raw.t", False),
        ("SELECT * EXCEPT (email) FROM raw.t", False),
        ("SELECT * EXCEPT (Email, a) FROM raw.t", False),
        ("SELECT * EXCEPT (email) REPLACE (LOWER(b) AS a) FROM raw.t", False),
        ("INSERT INTO raw.t (email) VALUES ('x')", False),
    ],
)
def test_which_columns_are_read(sql: str, is_read: bool) -> None:
    assert any(read.columns.include("email") for read in analyse(sql, "p").reads) is is_read


@pytest.mark.parametrize(
    ("sql", "is_read"),
    [
        ("SELECT contact.email FROM raw.t", True),
        ("SELECT contact FROM raw.t", True),
        ("SELECT t.contact.email FROM raw.t", True),
        ("SELECT * EXCEPT (email) FROM raw.t", True),  # another email, beside the record
        ("SELECT * EXCEPT (contact) FROM raw.t", False),
        ("SELECT a FROM raw.t", False),
    ],
)
def test_a_column_in_a_record_is_read_with_the_record(sql: str, is_read: bool) -> None:
    (read,) = analyse(sql, "p").reads
    assert read.columns.include("contact.email") is is_read


def test_what_loses_its_tags_and_what_is_made_is_told() -> None:
    found = analyse(
        "CREATE OR REPLACE TABLE raw.t AS SELECT 1 AS a; DROP TABLE raw.u; CREATE TABLE raw.n (a INT64)", "p"
    )
    assert {name(table) for table in found.replaced} == {"raw.t", "raw.u"}
    assert {name(table) for table in found.made} == {"raw.t", "raw.n"}
