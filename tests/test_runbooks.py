"""What the runbooks count and list is what the program declares."""

import re
from decimal import ROUND_HALF_UP, Decimal

from components.platform.probe import INTERVAL_S
from tests.components.conftest import deployed
from tests.components.mocks import Recorder
from tests.test_readme import DOCS

COST = (DOCS / "runbooks" / "monthly-cost.md").read_text()
COLUMNS = ("idle", "busy", "resting", "destroyed")
HOURS = 730
# What the page assumes: a measurement of the probe, the jobs of a day's run, days.
MEASUREMENT_S, RUN_S, DAYS = 60, 300, 30
BUSY_S = HOURS * 3600 // INTERVAL_S * MEASUREMENT_S + DAYS * RUN_S


def rows(page: str) -> list[list[str]]:
    """The lines of a page's tables, as cells."""
    lines = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("|---")]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]


def items() -> dict[str, list[str]]:
    """The items of the table of costs, by their names."""
    return {cells[0]: cells[1:] for cells in rows(COST) if len(cells) == 8 and "→" in cells[4]}


def used(item: str) -> list[Decimal]:
    """How much of an item is used in each case."""
    return [Decimal(cell.split(" → ")[0]) for cell in items()[item][3:]]


def test_what_is_billed_is_what_is_not_free_times_the_price_and_the_sums_add_up() -> None:
    sums = [Decimal(0)] * len(COLUMNS)
    for item, (_, price, free, *cells) in items().items():
        for column, cell in enumerate(cells):
            quantity, cost = map(Decimal, cell.split(" → "))
            billed = max(Decimal(0), quantity - Decimal(free)) * Decimal(price)
            assert billed.quantize(Decimal("0.01"), ROUND_HALF_UP) == cost, (item, COLUMNS[column])
            sums[column] += cost
    (total,) = (cells for cells in rows(COST) if cells[0] == "**sum**")
    assert total[4:] == [f"**{each}**" for each in sums]


def test_what_dev_costs_is_counted_as_dev_declares_it() -> None:
    dev = deployed("dev")
    (instance,) = dev.of("sql.DatabaseInstance")
    settings = instance.inputs["settings"]
    schedules, secrets = (len(dev.of(kind)) for kind in ("cloudscheduler.Job", "secretmanager.SecretVersion"))

    assert f"Cloud SQL, `{settings['tier']}`, one zone" in items()
    assert settings["availabilityType"] == "ZONAL"
    assert settings["backupConfiguration"]["enabled"] is False
    assert not {"diskSize", "diskType"} & settings.keys()  # Cloud SQL's own: the smallest, SSD
    assert used(f"Cloud SQL, `{settings['tier']}`, one zone") == [HOURS, HOURS, 0, 0]
    assert used("its disk, SSD") == [10, 10, 10, 0]
    assert used("Cloud Scheduler, paused or not") == [schedules] * 3 + [0]
    assert {made.inputs["paused"] for made in dev.of("cloudscheduler.Job")} == {True}
    assert used("Secret Manager") == [secrets] * 3 + [0]
    assert used("Cloud Run jobs, CPU") == used("Cloud Run jobs, memory") == [0, BUSY_S, 0, 0]
    for made in dev.of("cloudrunv2.Job"):
        (container,) = made.inputs["template"]["template"]["containers"]
        assert container["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}


def test_what_has_no_price_and_what_costs_nothing_is_counted_too() -> None:
    dev, everything = deployed("dev"), deployed("everything")
    counted = {cells[0]: cells[1] for cells in rows(COST) if len(cells) == 3}

    def count(kind: str, of: Recorder = dev) -> str:
        return str(len(of.of(kind)))

    assert counted["Private Service Connect, the endpoint of the database"] == count("compute.ForwardingRule")
    assert counted["alert policies, with a condition each"] == count("monitoring.AlertPolicy")
    assert counted["Datastream's private connection"] == count("datastream.PrivateConnection")
    images, functions = count("docker-build.Image"), count("cloudfunctionsv2.Function")
    flat = re.sub(r"\s+", " ", COST)
    assert f"the {images} of the jobs and those that Cloud Build makes of the {functions} functions" in flat
    assert f"{count('kms.CryptoKey', everything)} versions of keys" in flat
    assert not {made.kind for made in dev.resources} & {
        "kms.CryptoKey",
        "compute.Router",
        "compute.RouterNat",
        "compute.GlobalAddress",
        "vpcaccess.Connector",
        "logging.ProjectBucketConfig",
    }
    assert {made.inputs["addressType"] for made in dev.of("compute.Address")} == {"INTERNAL"}
