"""What is particular to a stand-in: what it makes of a resource's inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class Values:
    """The values of a provider's resources.

    ``package`` is the SDK on the index; ``replaces`` whether a changed input asks for another resource; ``secrets`` are
    the outputs that are secret.
    """

    package: ClassVar[str]
    replaces: ClassVar[bool] = False
    secrets: ClassVar[frozenset[str]] = frozenset()

    def made(self, kind: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The id, and the outputs beside the inputs, of a resource of a kind (``random:index/…:RandomBytes``).

        Raises ValueError for what the provider would refuse.
        """
        raise NotImplementedError

    def seen(self, kind: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is found at each look, and compared as an input is. Raises ValueError for what would be refused."""
        return {}
