"""A grant that is used at once has time to count, where a deployment makes it."""

import asyncio
import inspect

import pulumi
import pulumi_gcp as gcp
import pytest

from components.settling import patient, settling
from tests.components.mocks import record


def test_what_is_made_with_it_is_waited_for_after_its_creation_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def note(seconds: float) -> None:
        waited.append(seconds)

    bound: list[pulumi.ResourceHookBinding] = []

    def program() -> None:
        bound.append(settling("shop", 45))
        gcp.pubsub.Topic("grant", opts=pulumi.ResourceOptions(hooks=bound[0]))

    made = record(program).named("grant")
    assert made.after_create == ("shop-settling",)
    ((hook,),) = [b.after_create or [] for b in bound]
    assert isinstance(hook, pulumi.ResourceHook)
    assert not (hook.opts and hook.opts.on_dry_run), "a preview makes nothing to wait for"

    monkeypatch.setattr("components.settling.asyncio.sleep", note)
    result = hook(pulumi.ResourceHookArgs("urn", "id", "grant", "type"))
    assert inspect.iscoroutine(result)
    asyncio.run(result)
    assert waited == [45]


NEW_METRIC = (
    "googleapi: Error 404: Cannot find metric(s) that match type = "
    '"logging.googleapis.com/user/x". If a metric was created recently, it could take up to 10 minutes'
)


@pytest.mark.parametrize(
    ("errors", "again"),
    [
        ([NEW_METRIC], True),
        ([NEW_METRIC] * 25, True),
        ([NEW_METRIC] * 26, False),
        (["Error 403", NEW_METRIC], False),
        ([], False),
    ],
)
def test_what_google_does_not_know_yet_is_tried_again_and_nothing_else(
    errors: list[str], again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound: list[pulumi.ResourceHookBinding] = []

    def program() -> None:
        bound.append(patient("shop", "Cannot find metric"))
        gcp.pubsub.Topic("alert", opts=pulumi.ResourceOptions(hooks=bound[0]))

    assert record(program).named("alert").on_error == ("shop-patience",)

    async def no_wait(_: float) -> None: ...

    monkeypatch.setattr("components.settling.asyncio.sleep", no_wait)
    ((hook,),) = [b.on_error or [] for b in bound]
    assert isinstance(hook, pulumi.ErrorHook)
    tried = hook(pulumi.ErrorHookArgs("urn", "", "alert", "type", errors=errors))
    assert inspect.iscoroutine(tried)
    assert asyncio.run(tried) is again
