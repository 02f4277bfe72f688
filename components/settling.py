"""Time for Google to know everywhere what was just allowed."""

import asyncio

import pulumi

# "In general, policy changes take effect within 2 minutes": https://cloud.google.com/iam/docs/access-change-propagation
SETTLES_WITHIN_S = 120


def settling(name: str) -> pulumi.ResourceHookBinding:
    """Hooks for a grant or an API that is used at once: what depends on it begins when Google knows of it everywhere.

    Only what this deployment makes is waited for, and nothing in a preview. Most grants need no such time: what uses
    them comes minutes later, or tries again. ``name`` tells these hooks from others of the program.
    """
    return pulumi.ResourceHookBinding(after_create=[pulumi.ResourceHook(f"{name}-settling", _wait)])


async def _wait(_: pulumi.ResourceHookArgs) -> None:
    await asyncio.sleep(SETTLES_WITHIN_S)
