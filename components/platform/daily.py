"""What the steps of the day are told in a stack, beside what is declared of them."""

from components.network import Network
from components.pii_policy import PiiPolicy
from components.platform.args import PlatformArgs
from components.platform.capture import SLOT, Capture
from components.platform.pipeline import StepArgs
from components.secrets import Secrets
from omnipipe.contracts.schema import Sensitivity

# How long a run waits for what was committed before it, and validate for what it compares with, in seconds.
CAPTURED_WITHIN_S = 900
# How long the stream may take from reading a change to writing it, before validate calls a difference one.
WRITTEN_WITHIN_S = 120


def daily_steps(
    settings: PlatformArgs, *, capture: Capture, network: Network, pii: PiiPolicy, secrets: Secrets
) -> dict[str, StepArgs]:
    """What each step is told, by its name, in a stack with these settings.

    Makes the secret that messages are signed with. Capture and validate log in to the database, so they are in its
    network, as the workloads that it knows.
    """
    of_source = {"SLOT": SLOT, "CAPTURED_WITHIN_S": str(CAPTURED_WITHIN_S)}
    return {
        "capture": StepArgs(
            environment={
                **of_source,
                "STREAM": capture.stream_id,
                **capture.connection_of(capture.heartbeat),
            },
            workload=capture.heartbeat.workload,
            network=network,
        ),
        "weather": StepArgs(environment={"WEATHER_API_URL": settings.weather_api_url}),
        "dbt": StepArgs(environment={"PII_POLICY_TAG_HIGH": pii.tag_ids[Sensitivity.HIGH]}),
        "validate": StepArgs(
            environment={
                **of_source,
                "WRITTEN_WITHIN_S": str(WRITTEN_WITHIN_S),
                **capture.connection_of(capture.reader),
            },
            workload=capture.reader.workload,
            network=network,
        ),
        "reverse_sync": StepArgs(
            environment={
                "WEBHOOK_URL": settings.webhook_url,
                "WEBHOOK_ALLOW_PRIVATE": "true" if settings.webhook_allow_private else "false",
            },
            secrets={"WEBHOOK_SECRET": secrets.signing_keys("webhook-secret", settings.webhook_keys)},
        ),
    }
