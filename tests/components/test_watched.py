"""Every service of the program has an alert for its errors."""

from collections.abc import Callable

import pytest

from tests.components.mocks import Recorder

# By type of resource: Google's resource type and label in the log, and the input that names it there.
SERVICES = {
    "cloudfunctionsv2.Function": ("cloud_run_revision", "service_name", "name"),
    "cloudrunv2.Job": ("cloud_run_job", "job_name", "name"),
    "workflows.Workflow": ("workflows.googleapis.com/Workflow", "workflow_id", "name"),
    "cloudscheduler.Job": ("cloud_scheduler_job", "job_id", "name"),
    "datastream.Stream": ("datastream.googleapis.com/Stream", "stream_id", "streamId"),
}


@pytest.mark.parametrize("stack", ["dev", "everything"])
def test_every_service_has_an_error_metric_with_a_policy(deploy: Callable[[str], Recorder], stack: str) -> None:
    program = deploy(stack)
    filters = {metric.name: metric.inputs["filter"] for metric in program.of("logging.Metric")}
    watched = {name for policy in program.of("monitoring.AlertPolicy") for name in policy.dependencies}
    wanted = {
        f'resource.type="{type_}" AND resource.labels.{label}="{resource.inputs[key]}"'
        for kind, (type_, label, key) in SERVICES.items()
        for resource in program.of(kind)
    }
    place = program.named("omnipipe-capture-oltp-instance")
    wanted.add(f'resource.type="cloudsql_database" AND resource.labels.database_id="{place.inputs["project"]}:')
    for beginning in wanted:
        (metric,) = (name for name, text in filters.items() if text.startswith(beginning) and "figure" not in text)
        assert metric in watched
    assert len(wanted) == len([text for text in filters.values() if "jsonPayload.figure" not in text])
