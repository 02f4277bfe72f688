"""The laptop's Pub/Sub: topics, subscriptions, schemas and snapshots for Google's ordinary clients.

It runs as a process of its own, ``python -m omnipipe.laptop.services.pubsub HOME PROJECT STACK``, as soon as the
program has a topic, a subscription or a schema. gRPC and REST come in at the same addresses, of which each workload
has one of its own, because Google's clients send no credentials to an emulator (``addresses``).

What is published together is a *chunk*: one row of the store (``store``), and for each subscription another one that
says which of its messages are acknowledged (``backlog``). A publisher has its answer after the commit, so that a
process that is killed has lost nothing that it took; what was not acknowledged is delivered again. All state is of
one thread, the event loop's; what waits for others (a push endpoint, BigQuery, Cloud Storage) waits in threads.

- ``broker``: topics, subscriptions, snapshots and schemas as they are, and what becomes of a published message.
- ``delivery``: leases, deadlines, order, retries and dead letters of one subscription.
- ``grpc_api`` and ``rest_api``: the same methods (``methods``) for both kinds of clients.
- ``push``, ``bigquery``, ``storage``: subscriptions that bring messages somewhere themselves.
"""
