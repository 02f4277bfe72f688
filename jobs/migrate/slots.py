"""Replication slots: the one that the stream reads, and those that no stream reads any more.

A slot that nobody reads keeps the write-ahead log until the disk is full. Slots and publications whose name is
``omnipipe`` or begins with ``omnipipe_`` are ours; others are left alone.
"""

import logging

import psycopg
from database import MigrationFailed
from ownership import OWNER
from psycopg import sql

OURS = r"^omnipipe(_|$)"

_log = logging.getLogger("migrate")


def ensure_slot(replication: psycopg.Connection, slot: str) -> None:
    """Make the stream's slot. Raises MigrationFailed when there is another of that name, or it is lost."""
    found = replication.execute(
        "SELECT plugin, database, database = current_database(), wal_status FROM pg_replication_slots"
        " WHERE slot_name = %s",
        [slot],
    ).fetchone()
    if found is None:
        replication.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [slot])
        _log.info("the replication slot %s is made: from here on, changes are kept for it", slot)
        return
    plugin, database, is_here, wal_status = found
    if plugin != "pgoutput" or not is_here:
        raise MigrationFailed(
            f"there is another slot {slot}, with the plugin {plugin} on the database {database}: drop it, or choose "
            "another name"
        )
    if wal_status == "lost":
        raise MigrationFailed(
            f"the slot {slot} is lost: it fell behind by more than max_slot_wal_keep_size. Drop it, run migrate "
            "again and backfill the stream's tables"
        )


def drop_orphan_slots(replication: psycopg.Connection, slot: str) -> bool:
    """Drop our slots in this database but ``slot``; False when one is in use and had to stay.

    That is no failure: in a deployment that gives the stream another slot, the stream still reads the old one.
    """
    orphans = replication.execute(
        """
        SELECT slot_name, pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn))
        FROM pg_replication_slots
        WHERE slot_name ~ %s AND slot_name <> %s AND slot_type = 'logical' AND plugin = 'pgoutput'
            AND database = current_database() AND NOT temporary
        ORDER BY slot_name
        """,
        [OURS, slot],
    ).fetchall()
    in_use = False
    for name, kept in orphans:
        try:
            replication.execute("SELECT pg_drop_replication_slot(%s)", [name])
        except psycopg.errors.ObjectInUse:
            in_use = True
            _log.warning(
                "the slot %s keeps %s of the write-ahead log, and no stream of the program names it, but something "
                "reads it: stop that reader (a stream that was made by hand, or that this deployment is about to "
                "change) and run migrate again, which drops the slot",
                name,
                kept,
            )
        except psycopg.errors.UndefinedObject:
            _log.info("the slot %s, which no stream names, was dropped by somebody else", name)
        else:
            _log.warning(
                "dropped the slot %s, which no stream names: it kept %s of the write-ahead log",
                name,
                kept or "none",
            )
    return not in_use


def drop_orphan_publications(owner: psycopg.Connection, publication: str) -> None:
    """Drop our publications but ``publication``."""
    orphans = owner.execute(
        "SELECT pubname FROM pg_publication"
        " WHERE pubname ~ %s AND pubname <> %s AND pg_get_userbyid(pubowner) = %s ORDER BY pubname",
        [OURS, publication, OWNER],
    ).fetchall()
    for (name,) in orphans:
        owner.execute(sql.SQL("DROP PUBLICATION {}").format(sql.Identifier(name)))
        _log.info("dropped the publication %s, which no stream names", name)
