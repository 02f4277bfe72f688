"""Time for Google to know everywhere what was just made or allowed."""

import asyncio

import pulumi

# "In general, policy changes take effect within 2 minutes": https://cloud.google.com/iam/docs/access-change-propagation
SETTLES_WITHIN_S = 120
# A new metric takes up to ten minutes, as the error says that a policy of it gets; a new identity at most as long.
_TRIES, _WAIT_S = 25, 30


def settling(name: str, seconds: float) -> pulumi.ResourceHookBinding:
    """Hooks for a grant or an API that is used at once: what depends on it begins when Google knows of it everywhere.

    Only what this deployment makes is waited for, and nothing in a preview. Most grants need no such time: what uses
    them comes minutes later, or tries again. ``name`` tells these hooks from others of the program; ``seconds`` are
    waited, and are 0 only where everything is known at once.
    """

    async def wait(_: pulumi.ResourceHookArgs) -> None:
        await asyncio.sleep(seconds)

    return pulumi.ResourceHookBinding(after_create=[pulumi.ResourceHook(f"{name}-settling", wait)])


def patient(name: str, words: str) -> pulumi.ResourceHookBinding:
    """Hooks for what names something new, and fails with ``words`` as long as Google does not know of it.

    It is tried again every half minute, for twelve; any other error is one at once. ``name`` tells these hooks from
    others of the program.
    """

    async def try_again(failure: pulumi.ErrorHookArgs) -> bool:
        newest = failure.errors[0] if failure.errors else ""
        if words not in newest or len(failure.errors) > _TRIES:
            return False
        await asyncio.sleep(_WAIT_S)
        return True

    return pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook(f"{name}-patience", try_again)])
