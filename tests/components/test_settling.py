"""A grant that is used at once has time to count, where a deployment makes it."""

import asyncio
import inspect

import pulumi
import pulumi_gcp as gcp
import pytest

from components.settling import settling
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
