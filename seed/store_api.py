"""A simulator of Fake Store's API on loopback: products, users and carts in its shapes, and carts that change.

    python -m seed.store_api --port 8080 --data-dir FOLDER --change-every 5

https://fakestoreapi.com/docs. People and goods are invented. Carts are created, changed, changed back, given to another
user and deleted: one change every so many seconds, or by ``POST /_changes {"count": 10}``; what they are is kept in the
folder. As at the original, what is written is answered and not stored, and what is not there is null.

Faults on demand (see seed.simulator): status, hang, html (a page in place of JSON), cut (half of the answer), empty (an
empty list), few (a hundredth of the list).
"""

import argparse
import copy
import json
import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, request

from omnipipe.contracts.cities import CITIES
from seed.simulator import Faults, create_app, serve

_CATEGORIES = ("electronics", "jewelery", "men's clothing", "women's clothing")  # as the original writes them
_GOODS = ("Backpack", "Bracelet", "Drive", "Jacket", "Monitor", "Ring", "Shirt", "Top")
_FIRST = ("anna", "ben", "clara", "david", "elif", "felix", "greta", "hannah", "ivan", "jonas")
_LAST = ("bauer", "çelik", "egli", "fischer", "gruber", "huber", "jansen", "keller", "lang", "meyer")
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
# What happens to carts, and how often.
_CHANGES = {"create": 5, "change": 6, "change_back": 2, "give_away": 1, "delete": 2}
_KEPT = "carts.json"

Cart = dict[str, Any]


def product(number: int) -> dict[str, Any]:
    """A product; the same for the same number."""
    chance = random.Random(f"product {number}")
    return {
        "id": number,
        "title": f"{chance.choice(_GOODS)} {number}",
        "price": round(chance.uniform(7, 999), 2),
        "description": f"An invented thing, number {number}.",
        "category": _CATEGORIES[number % len(_CATEGORIES)],
        "image": f"https://example.com/img/{number}.jpg",
        "rating": {"rate": round(chance.uniform(1, 5), 1), "count": chance.randrange(1, 700)},
    }


def user(number: int) -> dict[str, Any]:
    """A user, with a password in the clear as the original has it; the same for the same number."""
    chance = random.Random(f"user {number}")
    first, last = _FIRST[number % len(_FIRST)], _LAST[number // len(_FIRST) % len(_LAST)]
    city = CITIES[number % len(CITIES)]
    return {
        "address": {
            "geolocation": {"lat": str(city.latitude), "long": str(city.longitude)},
            "city": city.name,
            "street": "invented street",
            "number": chance.randrange(1, 300),
            "zipcode": f"{chance.randrange(10_000, 99_999)}",
        },
        "id": number,
        "email": f"{first}{number}@example.com",
        "username": f"{first}{number}",
        "password": f"pw-{chance.randrange(10**9):09d}$",
        "name": {"firstname": first, "lastname": last},
        "phone": f"1-555-01{number % 100:02d}",
        "__v": 0,
    }


class Carts:
    """The carts, and what happens to them: the same changes in the same order. They are kept in a file if one is given.

    ``products`` and ``users`` are how many there are of each; ``count`` carts are there at the beginning.
    """

    def __init__(self, count: int, products: int, users: int, file: Path | None = None) -> None:
        self._products, self._users, self._file = products, users, file
        self._lock = threading.Lock()
        self._carts: dict[int, Cart] = {}
        self._former: dict[int, Cart] = {}
        self._done = self._last = 0
        if file is not None and file.exists():
            kept = json.loads(file.read_text())
            self._carts = {cart["id"]: cart for cart in kept["carts"]}
            self._former = {cart["id"]: cart for cart in kept["former"]}
            self._done, self._last = kept["done"], kept["last"]
        else:
            chance = random.Random("carts")
            for _ in range(count):
                self._create(chance)

    def all(self) -> list[Cart]:
        """Every cart, by its number."""
        with self._lock:
            return copy.deepcopy(list(self._carts.values()))

    def change(self, count: int) -> list[dict[str, Any]]:
        """Let so much happen; returns what it was, and to which cart."""
        with self._lock:
            done = [self._happen() for _ in range(count)]
            self._keep()
        return done

    def _happen(self) -> dict[str, Any]:
        self._done += 1
        chance = random.Random(f"change {self._done}")
        (kind,) = chance.choices(list(_CHANGES), list(_CHANGES.values()))
        if kind == "change_back" and not self._former.keys() & self._carts.keys():
            kind = "change"
        if not self._carts:
            kind = "create"
        if kind == "create":
            return {"kind": kind, "cart": self._create(chance)}
        among = self._former.keys() & self._carts.keys() if kind == "change_back" else self._carts.keys()
        number = chance.choice(sorted(among))
        cart = self._carts[number]
        if kind == "delete":
            del self._carts[number]
        elif kind == "change_back":
            self._carts[number] = self._former.pop(number)
        else:
            self._former[number] = copy.deepcopy(cart)
            if kind == "give_away":
                cart["userId"] = cart["userId"] % self._users + 1
            else:
                line = chance.choice(cart["products"])
                line["quantity"] = line["quantity"] % 9 + 1
        return {"kind": kind, "cart": number}

    def _create(self, chance: random.Random) -> int:
        self._last += 1
        chosen = chance.sample(range(1, self._products + 1), chance.randrange(1, min(4, self._products + 1)))
        made = _EPOCH + timedelta(hours=self._last)
        self._carts[self._last] = {
            "id": self._last,
            "userId": chance.randrange(1, self._users + 1),
            "date": made.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "products": [{"productId": each, "quantity": chance.randrange(1, 6)} for each in chosen],
            "__v": 0,
        }
        return self._last

    def _keep(self) -> None:
        if self._file is None:
            return
        kept = {"carts": list(self._carts.values()), "former": list(self._former.values())}
        temporary = self._file.with_suffix(".new")
        temporary.write_text(json.dumps(kept | {"done": self._done, "last": self._last}))
        temporary.replace(self._file)


def app(carts: Carts, products: int, users: int) -> Flask:
    """Return the simulator as a Flask app."""
    faults = Faults("html", "cut", "empty", "few")
    created = create_app("store_api", faults)
    lists: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "products": lambda: [product(number) for number in range(1, products + 1)],
        "users": lambda: [user(number) for number in range(1, users + 1)],
        "carts": carts.all,
    }

    def answer(value: Any) -> Response:
        fault = faults.take(request.path)
        return faults.answer(fault) or _answer(value, fault.get("mode"))

    for name, found in lists.items():

        @created.get(f"/{name}", endpoint=f"list_{name}")
        def listed(found: Callable[[], list[dict[str, Any]]] = found) -> Response:
            rows = found()
            if request.args.get("sort") == "desc":
                rows.reverse()
            limit = request.args.get("limit", "")
            return answer(rows[: int(limit)] if limit.isdigit() and int(limit) else rows)

        @created.get(f"/{name}/<int:number>", endpoint=f"get_{name}")
        def one(number: int, found: Callable[[], list[dict[str, Any]]] = found) -> Response:
            return answer(next((row for row in found() if row["id"] == number), None))

        @created.post(f"/{name}", endpoint=f"post_{name}")
        def posted(found: Callable[[], list[dict[str, Any]]] = found) -> Response:
            return answer({**(request.get_json(silent=True) or {}), "id": len(found()) + 1})

    @created.post("/_changes")
    def changes() -> tuple[Response, int]:
        count = (request.get_json(silent=True) or {}).get("count", 1)
        if not isinstance(count, int) or not 0 < count <= 100_000:
            return jsonify(simulated=True, error=f"count is {count!r}: give a number from 1 to 100000"), 400
        return jsonify(simulated=True, changes=carts.change(count)), 200

    return created


def _answer(value: Any, fault: str | None) -> Response:
    if fault == "html":
        return Response("<!doctype html><title>Just a moment...</title>", content_type="text/html")
    if fault == "empty":
        value = []
    if fault == "few" and isinstance(value, list):
        value = value[: max(1, len(value) // 100)]
    response = jsonify(value)
    if fault == "cut":
        response.set_data(response.get_data()[: len(response.get_data()) // 2])
    return response


def main() -> None:
    """Serve the simulator; see ``--help``."""
    parser = argparse.ArgumentParser(description="A simulator of Fake Store's API on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=0, help="TCP port; 0, the default, takes a free one")
    parser.add_argument("--data-dir", type=Path, help="where the carts are kept; without it they begin anew")
    parser.add_argument("--products", type=int, default=20, help="how many products there are")
    parser.add_argument("--users", type=int, default=10, help="how many users there are")
    parser.add_argument("--carts", type=int, default=100, help="how many carts there are at the beginning")
    parser.add_argument("--change-every", type=float, default=0.0, help="seconds between changes; 0 for none")
    arguments = parser.parse_args()
    if arguments.data_dir is not None:
        arguments.data_dir.mkdir(parents=True, exist_ok=True)
    file = arguments.data_dir / _KEPT if arguments.data_dir is not None else None
    carts = Carts(arguments.carts, arguments.products, arguments.users, file)
    if arguments.change_every > 0:
        threading.Thread(target=_go_on, args=(carts, arguments.change_every), daemon=True).start()
    serve(
        app(carts, arguments.products, arguments.users),
        arguments.port,
        lambda address: f"simulated Fake Store at {address}/products: all people and goods are invented",
    )


def _go_on(carts: Carts, every_s: float) -> None:
    clock = threading.Event()
    while not clock.wait(every_s):
        carts.change(1)


if __name__ == "__main__":
    main()
