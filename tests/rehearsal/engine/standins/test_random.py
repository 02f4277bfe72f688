"""Random values have the forms of the provider's."""

from __future__ import annotations

import re

import pytest

from omnipipe.rehearsal.engine.standins.random import Random


def made(kind: str, **inputs: object) -> tuple[str, dict[str, object]]:
    return Random().made(f"random:index/random{kind}:Random{kind}", inputs)


def test_a_password_is_random_of_the_letters_that_it_may_have_and_no_id() -> None:
    id_, outputs = made("Password", length=40.0, special=False)

    assert id_ == "none"
    assert re.fullmatch(r"[A-Za-z0-9]{40}", str(outputs["result"]))
    assert made("Password", length=40.0) != made("Password", length=40.0)
    assert set(str(made("Password", length=30, upper=False, lower=False, special=False)[1]["result"])) <= set(
        "0123456789"
    )
    assert "result" in Random().secrets


def test_an_id_has_the_forms_of_the_provider_each_with_its_prefix() -> None:
    _, outputs = made("Id", byteLength=4)
    assert re.fullmatch(r"[0-9a-f]{8}", str(outputs["hex"]))
    assert int(str(outputs["dec"])) == int(str(outputs["hex"]), 16)
    assert all(str(each).startswith("shop-") for each in made("Id", byteLength=4, prefix="shop-")[1].values())


def test_bytes_a_number_and_a_uuid() -> None:
    encoded, outputs = made("Bytes", length=32)
    assert (encoded, len(str(outputs["hex"]))) == (outputs["base64"], 64)
    assert made("Integer", min=3, max=3) == ("3", {"result": 3})
    assert re.fullmatch(r"[0-9a-f-]{36}", made("Uuid")[0])


def test_a_type_that_it_does_not_make_is_named() -> None:
    with pytest.raises(ValueError, match="does not make a random:index/randomCat:RandomCat"):
        made("Cat")
