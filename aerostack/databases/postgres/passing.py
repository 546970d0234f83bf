"""
Which faults of a PostgreSQL server pass by themselves, so that a start should wait for their end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.errors import TooManyConnections
from psycopg.pq import PGconn, Ping

from aerostack.databases.postgres.connection import Locked, connectionOptions
from aerostack.databases.postgres.refusal import CAN_LEARN, Refusal, Refusals
from aerostack.tracker.faults import describe, knownState

# By SQLSTATE or its class: connections, resources, locks, a server that stops or starts, its disk,
# transactions that another one broke off, and a standby that has not taken over yet.
_PASSING = re.compile(r"08|53|55|57|58|40|25006")

# Old versions of PgBouncer have this state for all that they refuse.  Their words are always
# English: these are about what an operator has to mend.
_POOLER = "08P01"
_LASTING = re.compile(r"does not exist|no such|authentication failed|auth failed|not allowed to")

_FULL = re.compile(r"too many clients|too many connections|connection slots")

_UNREACHED = "cannot be reached, or is starting"

_REFUSALS = Refusals()


def passing(options: Mapping[str, str], error: Exception) -> str | None:
    """
    Describe a fault that passes, in words that fit after C{the database}.  This may ask the
    server, and blocks.

    @param options: How to reach the server and log in, by libpq's keywords.
    @param error: What went wrong.
    @return: L{None} for a fault that an operator has to mend.
    """
    if isinstance(error, Locked):
        return "is locked by another program"
    if not isinstance(error, psycopg.Error):
        return None
    if error.sqlstate is not None:
        return describe(error) if _PASSING.match(error.sqlstate) else None
    if not isinstance(error, psycopg.OperationalError):
        return None
    reached = connectionOptions(options, "start")
    del reached["autocommit"]
    refusal = _learn(make_conninfo(**reached), str(error))
    if refusal is None or not refusal.isReached:
        return _UNREACHED
    state = refusal.state
    if state is not None and _PASSING.match(state):
        isLasting = state == _POOLER and _LASTING.search(str(error))
        return None if isLasting else knownState(state)
    return "is a standby" if _isStandby(options) else None


def _learn(conninfo: str, said: str) -> Refusal | None:
    """
    Find out why a connection has failed; see L{Refusals.learn}.
    """
    if CAN_LEARN:
        return _REFUSALS.learn(conninfo, said)
    # The words of an English server are all that is left.
    state = TooManyConnections.sqlstate if _FULL.search(said) else None
    return Refusal(PGconn.ping(conninfo.encode()) in (Ping.OK, Ping.NO_ATTEMPT), state)


def _isStandby(options: Mapping[str, str]) -> bool:
    """Whether a server lets the daemon in, but takes no writes."""
    arguments = {**connectionOptions(options, "start"), "target_session_attrs": "read-only"}
    try:
        psycopg.connect(**arguments).close()
    except psycopg.Error:
        return False
    return True
