"""What the runbooks count and list is what the program declares."""

import re
from decimal import ROUND_HALF_UP, Decimal

from components.encryption import ROTATION
from components.platform.probe import INTERVAL_S
from tests.components.conftest import deployed
from tests.components.mocks import Recorder
from tests.test_readme import DOCS

RUNBOOKS = DOCS / "runbooks"
COST = (RUNBOOKS / "monthly-cost.md").read_text()
ROTATE = (RUNBOOKS / "rotate-secrets.md").read_text()
RESTORE = (RUNBOOKS / "restore.md").read_text()
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


def test_each_secret_has_its_way_of_rotation_and_no_other_is_named() -> None:
    told = {cells[0].strip("`"): cells[2] for cells in rows(ROTATE) if len(cells) == 3 and "](#" in cells[2]}
    for stack in ("dev", "prod", "everything"):
        assert told.keys() == {made.inputs["secretId"] for made in deployed(stack).of("secretmanager.Secret")}
    dev = deployed("dev")
    passwords = {f"omnipipe-secrets-{name}-value" for name, how in told.items() if "#a-password" in how}
    assert passwords == {made.name for made in dev.of("random.RandomPassword")}
    assert all(f"--replace '**::{name}'" in ROTATE for name in passwords)
    (key,) = dev.of("random.RandomBytes")
    assert key.name == "omnipipe-secrets-webhook-secret-value"
    assert f"each {int(ROTATION.removesuffix('s')) // 86400} days" in ROTATE


def test_who_reads_a_secret_is_told_its_version_so_that_a_new_one_reaches_it_by_the_deployment() -> None:
    dev = deployed("dev")
    read = [
        variable["valueSource"]["secretKeyRef"]
        for job in dev.of("cloudrunv2.Job")
        for container in job.inputs["template"]["template"]["containers"]
        for variable in container["envs"]
        if "valueSource" in variable
    ]
    read += [
        variable
        for function in dev.of("cloudfunctionsv2.Function")
        for variable in function.inputs["serviceConfig"]["secretEnvironmentVariables"]
    ]
    assert {each["secret"] for each in read} == {
        made.inputs["secretId"] for made in dev.of("secretmanager.Secret")
    }
    assert "latest" not in {each["version"] for each in read}


def test_what_a_runbook_has_replaced_is_a_resource_of_the_program() -> None:
    named = {name for page in RUNBOOKS.glob("*.md") for name in re.findall(r"'\*\*::([\w-]+)'", page.read_text())}
    assert len(named) >= 4
    assert named <= {made.name for made in deployed("dev").resources}


def test_a_restored_instance_has_a_name_that_logins_hold_for_and_prod_can_be_restored() -> None:
    prod = deployed("prod")
    (settings,) = (made.inputs["settings"] for made in prod.of("sql.DatabaseInstance"))
    assert settings["backupConfiguration"] == {"enabled": True, "pointInTimeRecoveryEnabled": True}
    conditions = {
        made.inputs["condition"]["expression"]
        for made in prod.of("projects.IAMMember")
        if made.inputs["role"] == "roles/cloudsql.instanceUser"
    }
    assert conditions == {
        'resource.name.startsWith("projects/omnipipe-prod/instances/omnipipe-capture-oltp-instance")'
    }
    (new,) = re.findall(r"NEW=(\S+)", RESTORE)
    assert new.startswith("omnipipe-capture-oltp-instance-")
