"""The simulator of Fake Store: its shapes, carts that change in every way, and its failures."""

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient

from seed import store_api
from seed.store_api import Carts
from tests.seed.processes import start


@pytest.fixture
def api() -> FlaskClient:
    return store_api.app(Carts(300, 20, 10), 20, 10).test_client()


def get(api: FlaskClient, path: str) -> Any:
    return api.get(path).json


def post(api: FlaskClient, path: str, body: dict[str, Any]) -> Any:
    return api.post(path, json=body).json


def test_the_shapes_are_those_of_the_original(api: FlaskClient) -> None:
    product = get(api, "/products/3")
    assert set(product) == {"id", "title", "price", "description", "category", "image", "rating"}
    user = get(api, "/users")[0]
    assert set(user) == {"address", "id", "email", "username", "password", "name", "phone", "__v"}
    assert set(user["address"]) == {"geolocation", "city", "street", "number", "zipcode"}
    cart = get(api, "/carts")[0]
    assert set(cart) == {"id", "userId", "date", "products", "__v"}
    assert set(cart["products"][0]) == {"productId", "quantity"}
    assert cart["date"].endswith("Z")


def test_lists_are_limited_and_sorted_and_what_is_not_there_is_null(api: FlaskClient) -> None:
    assert [row["id"] for row in get(api, "/products?limit=2&sort=desc")] == [20, 19]
    assert len(get(api, "/carts")) == 300
    assert get(api, "/carts/999") is None


def test_what_is_written_is_answered_and_not_stored(api: FlaskClient) -> None:
    assert post(api, "/carts", {"userId": 1}) == {"userId": 1, "id": 301}
    assert len(get(api, "/carts")) == 300


def test_carts_change_in_every_way_and_the_same_way_each_time(api: FlaskClient) -> None:
    done = post(api, "/_changes", {"count": 200})["changes"]
    assert {each["kind"] for each in done} == {"create", "change", "change_back", "give_away", "delete"}
    again = store_api.app(Carts(300, 20, 10), 20, 10).test_client()
    assert post(again, "/_changes", {"count": 200})["changes"] == done
    assert get(again, "/carts") == get(api, "/carts")
    assert api.post("/_changes", json={"count": "many"}).status_code == 400


def test_changing_back_is_exactly_what_it_was() -> None:
    carts = Carts(5, 20, 10)
    seen: dict[int, list[dict[str, Any]]] = {cart["id"]: [cart] for cart in carts.all()}
    for _ in range(200):
        (done,) = carts.change(1)
        now = {cart["id"]: cart for cart in carts.all()}
        if done["kind"] == "change_back":
            assert now[done["cart"]] in seen[done["cart"]][:-1]
            return
        if done["cart"] in now:
            seen.setdefault(done["cart"], []).append(now[done["cart"]])
    pytest.fail("no cart was changed back")


@pytest.mark.parametrize("mode", ["html", "cut"])
def test_what_is_no_json(api: FlaskClient, mode: str) -> None:
    api.put("/_faults", json={"mode": mode, "times": 1})
    with pytest.raises(ValueError, match=r".+"):
        json.loads(api.get("/carts").data)
    assert get(api, "/carts")


def test_lists_that_lie(api: FlaskClient) -> None:
    api.put("/_faults", json={"mode": "empty", "times": 1})
    assert get(api, "/carts") == []
    api.put("/_faults", json={"mode": "few"})
    assert len(get(api, "/carts")) == 3


def test_a_fault_of_one_list_alone(api: FlaskClient) -> None:
    api.put("/_faults", json={"mode": "status", "status": 429, "retry_after": 2, "containing": "users"})
    assert api.get("/products").status_code == 200
    refused = api.get("/users")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "2")


def test_as_a_process_it_goes_on_by_itself_and_remembers(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "seed.store_api", "--data-dir", str(tmp_path), "--change-every", "0.01"]
    process, line = start(command)
    try:
        before = requests.get(f"{line['address']}/carts", timeout=5).json()
        deadline = time.monotonic() + 10
        while (after := requests.get(f"{line['address']}/carts", timeout=5).json()) == before:
            assert time.monotonic() < deadline
        assert after != before
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    kept = {cart["id"] for cart in json.loads((tmp_path / "carts.json").read_text())["carts"]}
    assert {cart["id"] for cart in Carts(100, 20, 10, tmp_path / "carts.json").all()} == kept
