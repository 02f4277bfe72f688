"""What is chosen when an environment is made, and not changed while it is up."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pulumi


@dataclass(frozen=True, kw_only=True)
class FixedSettingsArgs:
    """What ``FixedSettings`` need: the settings by name, as a person writes them, and where it is told what to do."""

    settings: Mapping[str, pulumi.Input[str | bool]]
    runbook: str


class FixedSettings(pulumi.ComponentResource):
    """Refuses another value of a setting than the one that the environment was made with.

    Where data is, and whose keys encrypt it, is decided when something that holds data is made. Another value replaces
    the database, tables and secrets, in silence where nothing protects them, and stops half-way at what would be made
    again under a name that is still taken.

    Creates a ``pulumi.Stash``: what Pulumi's state remembers of the first deployment. It goes with a destroyed
    environment, so that the next one may choose again. Grants nothing.

    Exposes ``agreed``: what is to be made only when nothing differs ``depends_on`` it.

    Ends the program with ``pulumi.RunError``, in a preview too, when they differ: with both values and what to do.

    Example::

        import pulumi
        from components.fixed_settings import FixedSettings, FixedSettingsArgs
        from components.network import Network
        from components.place import Place

        fixed = FixedSettings(
            "fixed",
            FixedSettingsArgs(
                settings={"gcp:region": "europe-west1", "customerManagedKeys": False},
                runbook="https://example.com/runbooks/move.md",
            ),
        )
        place = Place("my-project", "europe-west1")
        Network("network", place, pulumi.ResourceOptions(depends_on=[fixed.agreed]))
    """

    def __init__(self, name: str, args: FixedSettingsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:FixedSettings", name, {}, opts)
        settings = dict(args.settings)
        stash = pulumi.Stash(f"{name}-made-with", input=settings, opts=pulumi.ResourceOptions(parent=self))

        def compare(known: Sequence[Mapping[str, Any]]) -> None:
            made_with, now = known
            changed = [
                f"{key} is {_text(value)}, and the stack was made with {_text(made_with[key])}"
                for key, value in now.items()
                if key in made_with and made_with[key] != value
            ]
            if changed:
                raise pulumi.RunError(
                    f"{'; '.join(changed)}: what holds data cannot be changed so. Set it back, or destroy the stack "
                    f"first: {args.runbook}"
                )

        # To wait for without a trace: a dependency on the stash would keep it, with its value, in an environment of
        # which only what is protected is left.
        compared = pulumi.Output.all(stash.output, settings).apply(compare).future()
        self.agreed = cast("Awaitable[pulumi.Resource]", asyncio.ensure_future(compared))
        self.register_outputs({})


def _text(value: str | bool) -> str:
    """A value as it is written in a stack's file."""
    return str(value).lower() if isinstance(value, bool) else value
