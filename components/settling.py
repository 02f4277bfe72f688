"""Time for Google to know everywhere what was just allowed."""

import asyncio

import pulumi

# "In general, policy changes take effect within 2 minutes": https://cloud.google.com/iam/docs/access-change-propagation
SETTLES_WITHIN_S = 120


def settling(name: str, seconds: float) -> pulumi.ResourceHookBinding:
    """Hooks for a grant or an API that is used at once: what depends on it begins when Google knows of it everywhere.

    Only what this deployment makes is waited for, and nothing in a preview. Most grants need no such time: what uses
    them comes minutes later, or tries again. ``name`` tells these hooks from others of the program; ``seconds`` are
    waited, and are 0 only where everything is known at once.
    """

    async def wait(_: pulumi.ResourceHookArgs) -> None:
        await asyncio.sleep(seconds)

    return pulumi.ResourceHookBinding(after_create=[pulumi.ResourceHook(f"{name}-settling", wait)])
