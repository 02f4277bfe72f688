"""Google's descriptions of its APIs, as far as policies ask them."""

import re

import pytest
from googleapiclient.discovery_cache import get_static_doc

from policy import descriptions


def test_the_day_of_a_description() -> None:
    for api, version in (("sqladmin", "v1"), ("monitoring", "v1"), ("artifactregistry", "v1")):
        day = descriptions.as_of(f"{api}.{version}")
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", day)
        assert f'"revision": "{day.replace("-", "")}"' in str(get_static_doc(api, version))


def test_values_are_those_that_say_something() -> None:
    formats = descriptions.values("artifactregistry.v1", "Repository", "format")
    assert {"DOCKER", "PYTHON"} < formats
    assert "FORMAT_UNSPECIFIED" not in formats
    assert descriptions.schema("monitoring.v1", "Dashboard")["mosaicLayout"]["$ref"] == "MosaicLayout"
    with pytest.raises(KeyError):
        descriptions.schema("monitoring.v1", "Nothing")
