"""A linter of SQL: what BigQuery would refuse, as far as can be told without it."""

import itertools
import re

import sqlglot
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.errors import ParseError
from sqlglot.expressions import Select
from sqlglot.tokenizer_core import TokenType

# Each one looked up in BigQuery's function reference; the emulator takes DuckDB's functions, too.
FUNCTIONS = frozenset(
    [
        "abs",
        "array",
        "array_concat",
        "array_to_string",
        "avg",
        "cast",
        "concat",
        "count",
        "countif",
        "current_date",
        "current_timestamp",
        "date",
        "date_sub",
        "div",
        "generate_array",
        "generate_uuid",
        "if",
        "ifnull",
        "lead",
        "left",
        "max",
        "md5",
        "min",
        "mod",
        "nullif",
        "range_bucket",
        "regexp_contains",
        "round",
        "row_number",
        "sha256",
        "struct",
        "sum",
        "timestamp",
        "timestamp_add",
        "timestamp_diff",
        "timestamp_sub",
        "timestamp_trunc",
        "to_hex",
        "to_json_string",
        "unnest",
    ]
)
# Words before a parenthesis that call nothing.
KEYWORDS = frozenset(
    [
        "and",
        "as",
        "by",
        "distinct",
        "except",
        "from",
        "in",
        "insert",
        "into",
        "join",
        "not",
        "on",
        "options",
        "or",
        "over",
        "select",
        "table",
        "then",
        "union",
        "using",
        "values",
        "when",
        "where",
        "with",
    ]
)


def lint(sql: str) -> list[str]:
    """What BigQuery would refuse of some SQL: mistakes of syntax, and functions that are not BigQuery's."""
    try:
        trees = sqlglot.parse(sql, dialect=BigQuery)
    except ParseError as error:
        return [str(error)]
    problems = []
    tokens = BigQuery().tokenize(sql)
    for token, following in itertools.pairwise(tokens):
        name = token.text.lower()
        if token.token_type is TokenType.DCOLON:
            problems.append("BigQuery has no '::'")
        called = following.token_type is TokenType.L_PAREN and re.fullmatch(r"[a-z_]\w*", name)
        quoted = token.token_type in (TokenType.IDENTIFIER, TokenType.STRING)
        if called and not quoted and name not in FUNCTIONS | KEYWORDS:
            problems.append(f"{name} is not among BigQuery's functions")
    for tree in trees:
        for select in tree.find_all(Select) if tree else ():
            if select.args.get("qualify") and not any(
                select.args.get(part) for part in ("where", "group", "having")
            ):
                problems.append("BigQuery takes QUALIFY only beside WHERE, GROUP BY or HAVING")
    return list(dict.fromkeys(problems))
