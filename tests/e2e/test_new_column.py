"""README's recipe for a new column, to the letter, on a laptop that has data; and a full refresh."""

import pytest

from tests.e2e.conftest import Copy

pytestmark = pytest.mark.e2e

EDITS = {
    "omnipipe/contracts/sources/mobility.py": (
        '    fare: Decimal | None = column("Price paid, in euros; null if nothing was paid.")\n',
        '    payment_method: str | None = column("How it was paid.")\n',
    ),
    "dbt/models/staging/sources.yml": (
        "            description: Price paid, in euros; null if nothing was paid.\n",
        "          - name: payment_method\n            data_type: string\n            description: How it was paid.\n",
    ),
    "dbt/models/staging/latest_trips.sql": (
        "        'fare': 'numeric',\n",
        "        'payment_method': 'string',\n",
    ),
    "dbt/models/prod/fct_trip.sql": ("  fare,\n", "  payment_method,\n"),
}


def test_a_new_column_arrives_in_prod_and_the_run_says_so(copy: Copy) -> None:
    copy.ok("up")
    copy.ok("seed", "--trips", "300")
    assert copy.daily()["status"] == "succeeded"
    trips = "SELECT COUNT(*), COUNT(payment_method) FROM prod.fct_trip"

    with (copy.tree / "seed/schema.sql").open("a") as schema:
        schema.write("\nALTER TABLE public.trips ADD COLUMN IF NOT EXISTS payment_method text;\n")
    for file, (line, following) in EDITS.items():
        text = (copy.tree / file).read_text()
        assert text.count(line) == 1, file
        (copy.tree / file).write_text(text.replace(line, line + following))
    copy.ok("up")
    result = copy.daily()

    # No row with the column has arrived yet.
    assert result["status"] == "succeeded", result
    (said,) = [step["message"] for step in result["steps"] if step["step"] == "dbt"]
    assert "rebuilt fct_trip: its definition changed (+ column payment_method)" in said
    assert "has no column payment_method until a row arrives that has it" in said
    assert copy.rows(trips) == [[300, 0]]

    copy.postgres("UPDATE trips SET payment_method = 'card' WHERE trip_id IN (1, 2)")
    result = copy.daily()
    assert result["status"] == "succeeded", result
    assert [step["message"] for step in result["steps"] if step["step"] == "dbt"] == [None]
    assert copy.rows(trips) == [[300, 2]]


def test_a_full_refresh_of_a_model_that_is_not_there_names_those_that_are(copy: Copy) -> None:
    done = copy.run("run", "--full-refresh", "fct_trp")
    assert done.returncode == 1
    assert "no full refresh of fct_trp: the tables that can be made anew are day_riders" in done.stderr
    assert "fct_trp" in copy.run("run", "fct_trp").stderr  # without the flag it says what to write


def test_a_full_refresh_makes_the_table_anew_and_sends_nothing_again(copy: Copy) -> None:
    sent = len(copy.messages())
    assert "rebuilt fct_trip: as asked" in copy.ok("run", "--full-refresh", "fct_trip")
    assert copy.rows("SELECT COUNT(*) FROM prod.fct_trip") == [[300]]
    assert len(copy.messages()) == sent
