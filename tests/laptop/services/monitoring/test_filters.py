"""The part of the Logging query language that is evaluated means here what it means on Google."""

from typing import Any

import pytest

from omnipipe.laptop.services.monitoring.filters import Filter, FilterError

ENTRY: dict[str, Any] = {
    "severity": "ERROR",
    "resource": {"type": "cloud_run_job", "labels": {"job_name": "dbt"}},
    "labels": {"run.googleapis.com/execution_name": "dbt-1"},
    "jsonPayload": {"figure": "dead_letters", "value": 3, "ok": True, "message": "Two of them (said so)"},
}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ('resource.type="cloud_run_job"', True),
        ("resource.type=cloud_run_job", True),
        ("resource.type=CLOUD_RUN_JOB", True),  # only regular expressions tell cases apart
        ("resource.type!=cloud_run_job", False),
        ("severity=ERROR", True),
        ("severity>=WARNING", True),
        ("severity>ERROR", False),
        ("severity<CRITICAL", True),
        ('labels."run.googleapis.com/execution_name"="dbt-1"', True),
        ("jsonPayload.value=3", True),
        ("jsonPayload.value>-1", True),
        ("jsonPayload.value>=2.5 AND jsonPayload.value<4", True),
        ("jsonPayload.figure>2", False),  # no number
        ("jsonPayload.ok=true", True),
        ("jsonPayload.message:two", True),
        ("jsonPayload.message:three", False),
        ("jsonPayload.figure:*", True),
        ("jsonPayload.nothing:*", False),
        (r'jsonPayload.message=~"of \w+ \("', True),
        ('jsonPayload.message=~"^two"', False),
        ('jsonPayload.message!~"^two"', True),
        # What a missing field is asked is false, so its negation is true.
        ("jsonPayload.nothing=1", False),
        ("jsonPayload.nothing!=1", False),
        ("NOT jsonPayload.nothing=1", True),
        # NOT before OR before AND.
        ("severity=INFO OR severity=ERROR AND jsonPayload.value=4", False),
        ("severity=ERROR OR severity=INFO AND jsonPayload.value=3", True),
        ("severity=ERROR OR (severity=INFO AND jsonPayload.value=4)", True),
        ("NOT severity=INFO OR severity=DEBUG AND jsonPayload.value=4", False),
        ("NOT (severity=INFO OR severity=DEBUG)", True),
        ('jsonPayload.message="Two of them (said so)"\n  AND severity=ERROR', True),
    ],
)
def test_what_matches(text: str, matches: bool) -> None:
    assert Filter(text).matches(ENTRY) is matches


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("severity>=ERROR resource.type=x", "expected AND or OR, found 'resource.type' at character 17"),
        ("timeout", "the filter ends where an operator should be"),
        ('"timeout"', "expected a field, such as jsonPayload.figure, found 'timeout' at character 1"),
        ("severity>=BAD", "a severity is one of DEFAULT, .* found 'BAD' at character 11"),
        ("(severity=ERROR AND resource.type=x", "the filter ends where a closing parenthesis should be"),
        ("severity=ERROR)", r"expected AND or OR, found '\)' at character 15"),
        ("jsonPayload.value>abc", "> compares numbers and severities only, found 'abc' at character 19"),
        ("severity=ERROR AND", "the filter ends where a field should be"),
        ("a=1 & b=2", "cannot read '& b=2' at character 5"),
        ('a=~"("', "a regular expression that cannot be read .* at character 4"),
        ('a=~"(?!x)"', "this regular expression is not one of RE2"),
        ("sample(insertId)", "expected an operator"),
        ("-severity=ERROR", "cannot read '-severity=ERROR' at character 1"),
        ("a=AND", "expected a value, found 'AND' at character 3"),
        ("", "the filter ends where a field should be"),
    ],
)
def test_what_is_not_of_the_language_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(FilterError, match=problem):
        Filter(text)


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("resource.type=cloud_run_job AND severity>=ERROR", True),
        ("resource.type=cloud_run_revision AND severity>=ERROR", False),
        ("resource.type=cloud_run_revision OR severity>=ERROR", True),
        ("NOT resource.type=cloud_run_job", False),
        ("NOT (resource.type=cloud_run_job AND severity=ERROR)", True),
        ("severity=INFO", True),
    ],
)
def test_a_log_that_no_entry_of_can_match_is_not_read(text: str, may: bool) -> None:
    assert Filter(text).may_match(ENTRY["resource"]) is may
