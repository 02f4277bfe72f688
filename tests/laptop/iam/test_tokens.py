"""Tokens: whose, for what, and until when."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jwt
import pytest

from omnipipe.laptop.iam.credentials import LocalCredentials
from omnipipe.laptop.iam.tokens import CLOUD_PLATFORM, OWNER, TOKEN_LIFETIME_S, InvalidToken, Tokens

EMAIL = "weather@project.iam.gserviceaccount.com"
URL = "http://127.0.0.1:1/functions/weather"


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens(tmp_path / "key")


def test_an_access_token_says_whose_it_is(tokens: Tokens) -> None:
    assert tokens.of_access(tokens.issue(EMAIL, CLOUD_PLATFORM)) == EMAIL
    assert tokens.of_access(tokens.owner()) == OWNER


def test_an_identity_token_is_for_its_audience_only(tokens: Tokens) -> None:
    token = tokens.issue(EMAIL, URL)

    assert tokens.of_identity(token, URL) == EMAIL
    assert tokens.of_identity(token, f"{URL}/") == EMAIL
    for other in ("http://127.0.0.1:1/functions/weather-2", "http://127.0.0.1:1", CLOUD_PLATFORM):
        with pytest.raises(InvalidToken, match=f"its audience is {URL}, not"):
            tokens.of_identity(token, other)


def test_neither_kind_of_token_is_taken_for_the_other(tokens: Tokens) -> None:
    with pytest.raises(InvalidToken, match="identity token"):
        tokens.of_access(tokens.issue(EMAIL, URL))
    with pytest.raises(InvalidToken, match="audience"):
        tokens.of_identity(tokens.issue(EMAIL, CLOUD_PLATFORM), URL)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"exp": int(time.time()) - 1}, "expired"),
        ({"exp": None}, "exp"),
        ({"aud": None}, "aud"),
        ({"email": None}, "email"),
    ],
)
def test_a_token_that_is_over_or_lacks_a_claim_is_none(tmp_path: Path, changed: dict, complaint: str) -> None:
    tokens = Tokens(tmp_path / "key")
    claims = {"email": EMAIL, "aud": CLOUD_PLATFORM, "exp": int(time.time()) + 60} | changed
    kept = {name: value for name, value in claims.items() if value is not None}

    with pytest.raises(InvalidToken, match=complaint):
        tokens.of_access(jwt.encode(kept, (tmp_path / "key").read_text(), "HS256"))


def test_a_token_of_another_home_and_an_unsigned_one_are_none(tokens: Tokens, tmp_path: Path) -> None:
    claims = {"email": EMAIL, "aud": CLOUD_PLATFORM, "exp": int(time.time()) + 60}
    for foreign in (Tokens(tmp_path / "other").owner(), jwt.encode(claims, "", "none"), "nothing", ""):
        with pytest.raises(InvalidToken):
            tokens.of_access(foreign)


def test_all_who_start_at_once_have_one_key(tmp_path: Path) -> None:
    file, all_there = tmp_path / "key", threading.Barrier(8)

    def start(_: int) -> Tokens:
        all_there.wait(10)
        return Tokens(file)

    with ThreadPoolExecutor(8) as pool:
        started = list(pool.map(start, range(8)))

    assert {one.of_access(other.owner()) for one in started for other in started} == {OWNER}
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_googles_libraries_take_a_token_when_theirs_is_over(tokens: Tokens) -> None:
    credentials = LocalCredentials(tokens, EMAIL)
    assert not credentials.valid

    credentials.refresh(None)

    assert credentials.valid
    assert tokens.of_access(credentials.token) == EMAIL
    assert 0 < TOKEN_LIFETIME_S <= 3600
