"""Addresses that lead somewhere only by a rule, and objects that are copies."""

from pathlib import Path
from typing import Any

import pytest

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.services.storage.resources import object_path


def connect(cloud: Cloud, target: Path) -> Path:
    """Register an address and a rule to a target; the address."""
    _, address = Deployment(cloud).register("gcp:compute/address:Address", "oltp-address", {"region": "r"}, False)
    rule: dict[str, Any] = {"ipAddress": address["selfLink"], "target": str(target)}
    Deployment(cloud).register("gcp:compute/forwardingRule:ForwardingRule", "oltp-endpoint", rule, False)
    return Path(address["address"])


def test_an_address_leads_nowhere_without_a_rule(cloud: Cloud) -> None:
    _, address = Deployment(cloud).register("gcp:compute/address:Address", "oltp-address", {"region": "r"}, False)
    assert not Path(address["address"]).exists()


def test_a_rule_leads_to_its_target_and_follows_it(cloud: Cloud, tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "socket").write_text(name)

    for name in ("old", "old", "new"):
        address = connect(cloud, tmp_path / name)
        assert (address / "socket").read_text() == name
    # A socket's path is at most about 100 bytes long, wherever the home is.
    assert len(str(address)) < 80


def test_an_address_is_dead_again_without_its_rule(cloud: Cloud, tmp_path: Path) -> None:
    address = connect(cloud, tmp_path)
    assert address.exists()

    later = Deployment(Cloud(cloud.home, cloud.project, cloud.region))
    later.register("gcp:compute/address:Address", "oltp-address", {"region": "r"}, False)
    later.take_down_unregistered()

    assert not address.is_symlink()
    assert tmp_path.exists()


def upload(cloud: Cloud, source: Path, name: str = "functions/code-1.zip") -> Path:
    Deployment(cloud).register(
        "gcp:storage/bucket:Bucket", "sources", {"name": "sources", "forceDestroy": True}, False
    )
    inputs = {"bucket": "sources", "name": name, "source": str(source)}
    Deployment(cloud).register("gcp:storage/bucketObject:BucketObject", "code", inputs, False)
    return object_path(cloud, "sources", name)


def test_an_object_is_a_copy_of_its_source(cloud: Cloud, tmp_path: Path) -> None:
    source = tmp_path / "code.zip"
    source.write_bytes(b"one")
    kept = upload(cloud, source)
    source.write_bytes(b"two")

    assert kept.read_bytes() == b"one"
    assert upload(cloud, source).read_bytes() == b"two"
    assert [path.name for path in kept.parent.iterdir()] == ["code-1.zip"]


def test_an_object_of_another_name_takes_the_place_of_the_first(cloud: Cloud, tmp_path: Path) -> None:
    source = tmp_path / "code.zip"
    source.write_bytes(b"one")
    first = upload(cloud, source)
    second = upload(cloud, source, "functions/code-2.zip")

    assert second.exists()
    assert not first.exists()


def test_a_source_that_is_missing_is_told(cloud: Cloud, tmp_path: Path) -> None:
    with pytest.raises(LaptopError, match=r"storage.BucketObject code: .*missing\.zip"):
        upload(cloud, tmp_path / "missing.zip")
