"""
The contract of the events that transactions of the database emit.
"""

from __future__ import annotations

from zope.interface import Interface


class IEmittedEvents(Interface):
    """
    The events that committed transactions have emitted and that were not published yet.

    Every method blocks, is called on a pool's thread with a DB-API cursor in autocommit mode, and
    is a transaction of its own.  One is called after another, with cursors of one connection.
    """

    def prepare(cursor, rules):
        """
        Create what is needed to emit events, if it is not there, and let it go by some rules.

        @param rules: An L{aerostack.core.topics.emitted.EmitRules}.
        @raise Exception: The database does not let the daemon create it, or has something else
            under its name; the message says what to do.
        """

    def read(cursor, limit, size):
        """
        Read the oldest events.

        @param limit: How many events to read at the most.
        @param size: About how many bytes of their data to read at the most.  At least one event is
            read, if there is one.
        @return: A list of L{aerostack.core.topics.emitted.EmittedEvent}, in the order in which
            their transactions were committed.
        """

    def take(cursor, marks):
        """
        Delete events.

        @param marks: The L{aerostack.core.replay.publications.EmittedMark} of each.
        @return: The keys of the events that were there, as a set.
        """

    def remove(cursor):
        """
        Remove everything that L{prepare} creates.

        @return: The names of what was removed, as a list.
        """
