"""Free ports for the servers that tests start."""

import random
import socket

_FIRST, _LAST, _ROW = 20000, 32000, 20


def free_ports(count: int = 1) -> int:
    """The first of ``count`` (at most 20) free ports in a row, below those that Linux gives to outgoing connections.

    Chosen at random, because several test runs may look at the same time.
    """
    assert count <= _ROW
    rows = list(range(_FIRST, _LAST, _ROW))
    for base in random.sample(rows, len(rows)):
        if all(_is_free(port) for port in range(base, base + count)):
            return base
    raise RuntimeError("no row of free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
