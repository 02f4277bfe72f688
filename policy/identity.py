"""Who is let in from elsewhere: providers of identities."""

from collections.abc import Iterator

from policy.subject import Resource, resource_policy

# Whoever has an account there has tokens of the same issuer.
_SHARED_ISSUERS = (
    "https://token.actions.githubusercontent.com",
    "https://gitlab.com",
    "https://app.terraform.io",
    "https://agent.buildkite.com",
    "https://api.pulumi.com/oidc",
    "https://accounts.google.com",
)


@resource_policy(
    "iam.WorkloadIdentityPoolProvider",
    source="https://cloud.google.com/iam/docs/reference/rest/v1/projects.locations.workloadIdentityPools.providers",
)
def identity_providers(provider: Resource) -> Iterator[str]:
    """An OIDC provider has an issuer over https and a subject; of an issuer that all the world shares it takes some."""
    for issuer in provider.at("oidc.issuerUri"):
        if not issuer.startswith("https://"):
            yield f"oidc.issuerUri is {issuer!r}: write an address that begins with https://"
        if issuer.rstrip("/") in _SHARED_ISSUERS and not provider.has("attributeCondition"):
            yield f"everybody at {issuer} gets in: set attribute_condition, on ids that nobody else can have"
    mapping = provider.inputs.get("attributeMapping") or {}
    if provider.has("oidc") and provider.is_known("attributeMapping") and "google.subject" not in mapping:
        yield "attribute_mapping has no google.subject: add 'google.subject': 'assertion.sub'"
