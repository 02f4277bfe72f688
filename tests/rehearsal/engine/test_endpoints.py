"""The provider is led to an API that the control plane has, by an address of the right form."""

from __future__ import annotations

import pytest

from omnipipe.rehearsal import discovery
from omnipipe.rehearsal.engine.endpoints import endpoints

ADDRESS = "http://127.0.0.1:9"
FOUND = endpoints(ADDRESS)


@pytest.mark.parametrize("variable", FOUND)
def test_an_address_has_an_api_behind_it_and_ends_with_a_slash(variable: str) -> None:
    host, _, path = FOUND[variable].removeprefix(f"{ADDRESS}/").partition("/")

    assert variable.startswith("GOOGLE_")
    assert variable.endswith("_CUSTOM_ENDPOINT")
    assert FOUND[variable].endswith("/")
    versions = [path] if path else ["v1/", "v3/"]
    assert all(discovery.api(host, version) for version in versions), f"{host} {path}"
