"""``python -m omnipipe.laptop.services.pubsub HOME PROJECT STACK``: answer until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.home import Home
from omnipipe.laptop.iam.gate import Gate
from omnipipe.laptop.ports import HOST
from omnipipe.laptop.services.pubsub import housekeeping
from omnipipe.laptop.services.pubsub.access import Access
from omnipipe.laptop.services.pubsub.addresses import Addresses, Connections
from omnipipe.laptop.services.pubsub.broker import Broker
from omnipipe.laptop.services.pubsub.grpc_api import Service
from omnipipe.laptop.services.pubsub.outside import Outside
from omnipipe.laptop.services.pubsub.resources import AGENT, data_file
from omnipipe.laptop.services.pubsub.rest_api import Application
from omnipipe.laptop.services.pubsub.store import Store
from omnipipe.laptop.services.pubsub.workers import Workers
from omnipipe.runtime import log

logger = logging.getLogger("omnipipe.laptop.services.pubsub")


class _Inner(uvicorn.Server):
    """The server of REST, which leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(cloud: Cloud) -> int:
    """Serve until a signal; the exit code."""
    stop, failed = asyncio.Event(), False
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def fail(error: Exception) -> None:
        nonlocal failed
        # Memory knows more than the disk now: to begin anew is the way back to the truth.
        logger.error("what was published cannot be kept, so this process ends: %s", error)
        failed = True
        stop.set()

    store = Store(data_file(cloud), fail)
    outside = Outside(cloud)
    broker = Broker(store, Access(Gate(cloud.registry, cloud.tokens, cloud.project), AGENT), outside)
    workers = Workers(broker, outside)
    grpc_connections = Connections()
    server = Service(broker, grpc_connections).server()
    grpc_connections.port = server.add_insecure_port(f"{HOST}:0")
    await server.start()
    inner = socket.socket()
    inner.bind((HOST, 0))
    rest_connections = Connections(inner.getsockname()[1])
    addresses = Addresses(grpc_connections, rest_connections)
    application = Application(broker, rest_connections, lambda: sorted(addresses.problems.values()))
    rest = _Inner(
        uvicorn.Config(application, http="h11", ws="none", lifespan="off", log_config=None, access_log=False)
    )
    tasks = [
        asyncio.create_task(rest.serve(sockets=[inner])),
        asyncio.create_task(housekeeping.look_after(cloud, addresses)),
        asyncio.create_task(housekeeping.sweep(broker)),
    ]
    watch = asyncio.create_task(stop.wait())
    await asyncio.wait([*tasks, watch], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done() and task.exception():
            logger.error("a part of Pub/Sub has failed", exc_info=task.exception())
            failed = True
        task.cancel()
    await addresses.close()
    await workers.close()
    rest.should_exit = True
    await server.stop(0.5)
    await asyncio.gather(*tasks, return_exceptions=True)
    if not failed:
        store.close()
    return 1 if failed else 0


def main() -> int:
    """Exit code 0 after SIGTERM or SIGINT, 1 when something cannot be kept."""
    # Messages have no cycles, and there are tens of thousands: the collector need not walk them so often.
    gc.set_threshold(100_000, 20, 50)
    log.configure("pubsub")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    home = Home(Path(sys.argv[1]), *sys.argv[2:])
    return asyncio.run(run(Cloud.open(home)))


if __name__ == "__main__":
    sys.exit(main())
