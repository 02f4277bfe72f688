"""How much the laptop's Pub/Sub carries.

    .venv/bin/python -m bench.pubsub [--events N] [--rate N] [--rows N]

Starts a Pub/Sub of its own, publishes as fast as it takes it, receives by streaming pull, then paces events for a
while and looks how late they arrive; the same for rows of a BigQuery subscription in an emulator of its own. What is
measured is printed, with the memory of the process; nothing is left.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import requests
from google.cloud import bigquery, pubsub_v1

from omnipipe.laptop.cloud import BIGQUERY, GOOGLE, Cloud
from omnipipe.laptop.home import Home
from omnipipe.laptop.iam.bindings import PUBSUB_AGENT
from omnipipe.laptop.iam.credentials import LocalCredentials
from omnipipe.laptop.iam.tokens import OWNER
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.bigquery import emulator

PROJECT = "omnipipe-bench"
FIRST_PORT = 19400
PAYLOAD = 500
EVENTS_TARGET = "5,000 a second, published in batches"
ROWS_TARGET = "2,000 rows a second, p95 2 s"


def main() -> None:
    """Measure, print, and leave nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=50_000, help="to publish as fast as it goes")
    parser.add_argument("--rate", type=int, default=5_000, help="events a second, paced")
    parser.add_argument("--rows", type=int, default=2_000, help="rows a second, paced; 0 for no BigQuery")
    parser.add_argument("--seconds", type=int, default=15, help="how long what is paced goes on")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="omnipipe-bench-") as folder,
        running(Path(folder)) as (cloud, process),
    ):
        with mock.patch.dict(os.environ, {"PUBSUB_EMULATOR_HOST": cloud.pubsub_address(OWNER)}):
            batches = pubsub_v1.types.BatchSettings(max_messages=500, max_latency=0.02)
            publisher, subscriber = pubsub_v1.PublisherClient(batches), pubsub_v1.SubscriberClient()
        print(f"memory at the start: {megabytes(process):.0f} MB")
        fast(publisher, subscriber, given.events)
        print(f"  memory: {megabytes(process):.0f} MB")
        paced(publisher, subscriber, given.rate, given.seconds)
        print(f"  memory: {megabytes(process):.0f} MB")
        if given.rows:
            into_bigquery(cloud, publisher, subscriber, given.rows, given.seconds)
            print(f"  memory: {megabytes(process):.0f} MB")


def fast(publisher: Any, subscriber: Any, count: int) -> None:
    """Publish as fast as it goes, without a subscriber; then receive what there is."""
    topic, subscription = made(publisher, subscriber, "fast")
    began = time.perf_counter()
    for future in [publisher.publish(topic, os.urandom(PAYLOAD)) for _ in range(count)]:
        future.result(120)
    took = time.perf_counter() - began
    print(f"published {count:,} of {PAYLOAD} bytes: {count / took:,.0f} a second  (at least: {EVENTS_TARGET})")
    seen = Counter(count)
    began = time.perf_counter()
    with following(subscriber, subscription, lambda _: seen.add()):
        seen.wait(120)
    print(f"received {count:,} by streaming pull: {count / (time.perf_counter() - began):,.0f} a second")


def paced(publisher: Any, subscriber: Any, rate: int, seconds: int) -> None:
    """Publish so many a second, and look how late they arrive."""
    topic, subscription = made(publisher, subscriber, "paced")
    late: list[float] = []
    seen = Counter(rate * seconds)

    def take(message: Any) -> None:
        late.append(time.time() - float(message.attributes["at"]))
        seen.add()

    with following(subscriber, subscription, take):
        reached = pace(publisher, topic, rate, seconds)
        seen.wait(120)
    print(f"paced {reached:,.0f} events a second for {seconds} s: {shown(late)}")


def into_bigquery(cloud: Cloud, publisher: Any, subscriber: Any, rate: int, seconds: int) -> None:
    """The same for a BigQuery subscription: how late a row is in its table."""
    log = cloud.home.log_file(BIGQUERY).open("ab")
    argv = emulator.argv(cloud.home.path("bigquery"), cloud.ports.of(BIGQUERY), PROJECT, cloud.identity)
    process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        emulator.wait_ready(cloud.ports.of(BIGQUERY), 60)
        options, credentials = {"api_endpoint": cloud.bigquery_url}, LocalCredentials(cloud.tokens, OWNER)
        client = bigquery.Client(PROJECT, credentials, client_options=options)
        client.create_dataset("landing")
        columns = [("data", "STRING"), ("subscription_name", "STRING"), ("message_id", "STRING")]
        columns += [("publish_time", "TIMESTAMP"), ("attributes", "JSON")]
        fields = [bigquery.SchemaField(name, kind) for name, kind in columns]
        client.create_table(bigquery.Table(f"{PROJECT}.landing.events", fields))
        config = {"table": f"{PROJECT}.landing.events", "write_metadata": True}
        topic, _ = made(publisher, subscriber, "rows", bigquery_config=config)
        waiting: list[tuple[float, int]] = []
        stop = threading.Event()
        watch = threading.Thread(target=look, args=(client, waiting, stop))
        watch.start()
        began = time.time()
        reached = pace(publisher, topic, rate, seconds)
        while not waiting or waiting[-1][1] < rate * seconds:
            time.sleep(0.1)
            if time.time() - began > seconds + 120:
                raise SystemExit("the rows do not arrive")
        stop.set()
        watch.join()
        late = lateness(waiting, began, rate)
        print(f"paced {reached:,.0f} rows a second for {seconds} s: {shown(late)}  (at most: {ROWS_TARGET})")
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def look(client: bigquery.Client, seen: list[tuple[float, int]], stop: threading.Event) -> None:
    """Count the rows again and again: when it was asked, and how many there were."""
    while not stop.wait(0.2):
        asked = time.time()
        (row,) = client.query_and_wait("SELECT COUNT(*) FROM landing.events")
        seen.append((asked, row[0]))


def lateness(seen: Sequence[tuple[float, int]], began: float, rate: int) -> list[float]:
    """For each row, how long after it was due somebody saw that it was there."""
    late, known = [], 0
    for asked, count in seen:
        late += [asked - (began + number / rate) for number in range(known, count)]
        known = max(known, count)
    return late


def pace(publisher: Any, topic: str, rate: int, seconds: int) -> float:
    """Publish so many a second for so long; how many it were."""
    began, futures = time.time(), []
    for number in range(rate * seconds):
        due = began + number / rate
        if (ahead := due - time.time()) > 0.005:
            time.sleep(ahead)
        futures.append(publisher.publish(topic, b"x" * PAYLOAD, at=repr(due)))
    for future in futures:
        future.result(120)
    return len(futures) / (time.time() - began)


def made(publisher: Any, subscriber: Any, name: str, **settings: Any) -> tuple[str, str]:
    """A topic and a subscription of it."""
    topic, subscription = f"projects/{PROJECT}/topics/{name}", f"projects/{PROJECT}/subscriptions/{name}"
    publisher.create_topic(name=topic)
    subscriber.create_subscription(request={"name": subscription, "topic": topic, **settings})
    return topic, subscription


class Counter:
    """Waits for so many."""

    def __init__(self, wanted: int) -> None:
        self._left = wanted
        self._lock = threading.Lock()
        self._done = threading.Event()

    def add(self) -> None:
        """One more."""
        with self._lock:
            self._left -= 1
            if self._left <= 0:
                self._done.set()

    def wait(self, timeout_s: float) -> None:
        """Until all have come."""
        if not self._done.wait(timeout_s):
            raise SystemExit(f"{self._left} did not come")


@contextmanager
def following(subscriber: Any, subscription: str, take: Callable[[Any], None]) -> Iterator[None]:
    """Receive and acknowledge."""

    def received(message: Any) -> None:
        take(message)
        message.ack()

    flow = pubsub_v1.types.FlowControl(max_messages=5000, max_bytes=64 << 20)
    pulling = subscriber.subscribe(subscription, received, flow_control=flow)
    try:
        yield
    finally:
        pulling.cancel()
        pulling.result(30)


@contextmanager
def running(folder: Path) -> Iterator[tuple[Cloud, psutil.Process]]:
    """A Pub/Sub, and its process."""
    home = Home(folder, "omnipipe", "bench")
    cloud = Cloud(home, PROJECT, "europe-west1", base_port=FIRST_PORT)
    home.prepare()
    cloud.remember()
    for name in (GOOGLE, BIGQUERY):
        cloud.ports.of(name)
    cloud.pubsub_address(OWNER)
    inputs = {"datasetId": "landing", "location": "EU"}
    dataset = f"projects/{PROJECT}/datasets/landing"
    cloud.registry.put(Resource("gcp:bigquery/dataset:Dataset", "landing", inputs, id=dataset))
    for role in ("dataEditor", "metadataViewer"):
        member = {
            "role": f"roles/bigquery.{role}",
            "member": f"serviceAccount:{PUBSUB_AGENT}",
            "datasetId": "landing",
        }
        cloud.registry.put(Resource("gcp:bigquery/datasetIamMember:DatasetIamMember", role, member))
    url = f"{cloud.pubsub_url}/healthz"
    argv = [sys.executable, "-m", "omnipipe.laptop.services.pubsub", str(folder), "omnipipe", "bench"]
    with home.log_file("pubsub").open("ab") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        for _ in range(300):
            try:
                requests.get(url, timeout=1)
                break
            except requests.RequestException:
                time.sleep(0.1)
        yield cloud, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def megabytes(process: psutil.Process) -> float:
    """Memory of a process."""
    return process.memory_info().rss / 1e6


def shown(late: Sequence[float]) -> str:
    """Median, p95 and the greatest of some seconds."""
    ordered = sorted(late)
    p95 = ordered[int(len(ordered) * 0.95)]
    return f"median {statistics.median(ordered):.2f} s, p95 {p95:.2f} s, at most {ordered[-1]:.2f} s"


if __name__ == "__main__":
    main()
