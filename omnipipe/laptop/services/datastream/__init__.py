"""The laptop's Datastream: reads the write-ahead log of PostgreSQL and writes BigQuery what Datastream writes.

It runs as a process of its own, ``python -m omnipipe.laptop.services.datastream CONFIG.json``, on the program's own
resources. Append-only mode.

Nothing is lost and nothing is written twice, because the target is the checkpoint. The changes of the log have one
order (the commit's position in the log, then the position in the transaction), which is the change sequence number;
a load of a table is atomic and holds the next changes of that order; so the greatest number in a table says exactly
what it has. PostgreSQL is told that a position is done only when all of it is in BigQuery. After a crash anywhere
the log is read again from there, and what a table has already is skipped.
"""
