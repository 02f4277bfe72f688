"""Providers of identities from elsewhere."""

from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from policy.identity import identity_providers
from tests.policy.conftest import said

GITHUB = "https://token.actions.githubusercontent.com"
SUBJECT = {"google.subject": "assertion.sub"}
KIND = "iam.WorkloadIdentityPoolProvider"


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"oidc": {"issuerUri": "http://id.example.com"}, "attributeMapping": SUBJECT}, "begins with https://"),
        ({"oidc": {"issuerUri": "https://id.example.com"}}, "attribute_mapping has no google.subject"),
        (
            {"oidc": {"issuerUri": UNKNOWN}, "attributeMapping": {"attribute.a": "assertion.a"}},
            "no google.subject",
        ),
        ({"oidc": {"issuerUri": GITHUB}, "attributeMapping": SUBJECT}, f"everybody at {GITHUB} gets in"),
        ({"oidc": {"issuerUri": f"{GITHUB}/"}, "attributeMapping": SUBJECT}, "set attribute_condition"),
    ],
)
def test_a_provider_that_google_refuses_or_that_lets_everybody_in(inputs: dict[str, Any], words: str) -> None:
    (message,) = said(identity_providers, KIND, inputs)
    assert words in message


@pytest.mark.parametrize(
    "inputs",
    [
        {"oidc": {"issuerUri": "https://id.example.com"}, "attributeMapping": SUBJECT},
        {"oidc": {"issuerUri": GITHUB}, "attributeMapping": SUBJECT, "attributeCondition": "assertion.a == 'b'"},
        {"oidc": {"issuerUri": GITHUB}, "attributeMapping": SUBJECT, "attributeCondition": UNKNOWN},
        {"oidc": {"issuerUri": "https://id.example.com"}, "attributeMapping": UNKNOWN},
        {"aws": {"accountId": "123456789012"}},
    ],
)
def test_a_provider_that_is_whole(inputs: dict[str, Any]) -> None:
    assert not said(identity_providers, KIND, inputs)
