"""
The contracts of table changes: the database, its journal, and the tracker that reads it.
"""

from __future__ import annotations

from zope.interface import Attribute, Interface


class IDatabase(Interface):
    """
    A database behind a pool of threads.
    """

    def run(interaction, *args):
        """
        Call C{interaction(cursor, *args)} on a thread of the pool, commit, and
        fire with what it returned; roll back and fail if it raised.

        The cursor's connection is in autocommit mode: an interaction that writes
        more than one statement begins its own transaction.

        @return: A L{Deferred}, fired on the reactor's thread.
        """


class IJournal(Interface):
    """
    The record of row changes that one database keeps for us.

    Every method blocks, is called on a pool's thread with a DB-API cursor, and is
    a transaction of its own.  One is called after another with cursors of one connection,
    but for L{surveyPast}, L{readPast} and L{snapshot}: these may be called while others are
    under way, on other threads and connections.
    """

    def prepare(cursor):
        """
        Create what the journal needs, if it is not there.  What an older version of the daemon
        has made is replaced.

        @return: The newest C{seq} in the journal, 0 if it never held one.
        @raise aerostack.tracker.faults.NewerJournal: A newer version of the daemon made it.
        """

    def check(cursor):
        """
        Find out whether this version of the daemon may use the journal, and change nothing.

        @raise aerostack.tracker.faults.NewerJournal: A newer version of the daemon made it.
        """

    def attached(cursor):
        """
        @return: The names of the tables whose changes are recorded, as a list; an
            earlier run may have attached them.
        """

    def attach(cursor, table):
        """
        Have every later change of a table recorded.  Attaching an attached table
        changes nothing.

        @return: The table's name as the database spells it.
        @raise RealtimeError: C{unknown_table}, C{table_not_allowed} (the table is
            the database's or the daemon's own) or C{untrackable_table}.
        """

    def detach(cursor, table):
        """
        Stop recording a table's changes.  An unknown table is no error.
        """

    def columns(cursor, table):
        """
        @return: The columns of a followed table, as L{aerostack.core.rows.columns.Columns}.
        @raise RealtimeError: C{unknown_table}.
        """

    def poll(cursor, after, limit, size=None):
        """
        Read the changes that were committed after one.

        @param after: The C{seq} of the last change already read.
        @param limit: How many changes to read at the most.
        @param size: About how many bytes of their values to read at the most; L{None} for no
            bound.  At least one change is read.
        @return: An L{aerostack.core.rows.journal.Poll}.
        """

    def lineage(cursor, table):
        """
        @return: What the numbers of a followed table's changes belong to.  It becomes another
            string when the table may have changed without a record.  It is empty if the table
            is not followed.
        """

    def reshapedAt(cursor, table):
        """
        @return: The number of the change that was the newest when columns of a followed table
            were last added or changed.  Rows from before that may look different now.  -1 if
            the journal knows of no such moment.
        """

    def surveyPast(cursor, table, lineage, after, until, most):
        """
        Find out whether the journal still has every change of a table after one number and up to
        another.

        @param lineage: What the numbers belonged to when they were given out.
        @param most: How many changes a client gets again at the most; L{None} for no bound.
        @return: L{None} if the journal has them all, else the reason of an
            L{aerostack.core.replay.gaps.Gap}.
        """

    def readPast(cursor, table, lineage, after, until, limit, size=None):
        """
        Read changes of one table again.

        @param size: As in L{poll}.
        @return: A list of L{aerostack.core.rows.changes.Change}, oldest first, at most
            C{limit} of them.  It is empty if no changes are left.  A journal that does not keep
            where transactions end leaves C{last} unset.
        @raise RealtimeError: C{table_lost}: the journal has lost the changes since the survey.
        """

    def snapshot(cursor, table, selection, bounds):
        """
        Read rows of a followed table as they are at one point among its changes.

        @param selection: An L{aerostack.core.rows.selection.Selection}.
        @param bounds: An L{aerostack.core.rows.selection.Bounds}.
        @return: An L{aerostack.core.rows.selection.Snapshot}.
        @raise RealtimeError: C{unknown_table}, or C{too_large}: the bounds do not suffice.
        """

    def renew(cursor, timestamp):
        """
        Note that a daemon reads the journal.  A journal that no daemon has read for a day bounds
        its own size.

        @param timestamp: The present time, ms.
        """

    def prune(cursor, before, timestamp, limit):
        """
        Forget recorded changes with a C{seq} of at most C{before} that are older
        than C{timestamp} (ms), at most C{limit} of them, oldest first.

        @return: How many were forgotten.
        """

    def lag(cursor):
        """
        Find out what delays changes and does not show when they are read.  It is cheap enough for a
        call every few seconds.

        @return: An L{aerostack.core.rows.journal.Lag}.
        """

    def fold(name):
        """
        @return: The form by which the database tells names of tables apart.
        """

    def remove(cursor):
        """
        Remove everything that the journal put into the database.

        @return: The names of what was taken out, as a list.
        """


class IChangeListener(Interface):
    """
    Receives table changes.
    """

    def changed(changes):
        """
        Rows of followed tables changed.  A table is followed for a while after the last
        who watched it has left.

        @param changes: A sequence of L{aerostack.core.rows.changes.Change}, in commit
            order.
        @return: L{None}; or, if the listener still has to pass on too many changes, a L{Deferred}
            that fires when it can take more.
        """

    def tableEntered(table):
        """
        A table is followed from the midst of a transaction: earlier changes of it were delivered
        to others, and the rest comes from now on.
        """

    def tableLost(table, error, seq):
        """
        A watched table was dropped, renamed or rebuilt, or changes of it are known
        to be lost.

        @param error: A L{RealtimeError} for its subscribers.
        @param seq: Where among the changes: everything up to this number is in doubt.
        """

    def tableAltered(table, columns):
        """
        A followed table may have other columns than before.  This is called before any change with
        the new columns.

        @param columns: The columns that it has now, as L{IJournal.columns} gives them.
        @return: L{None}; or, if the listener still has to check its subscribers by the new columns,
            a L{Deferred} that fires when changes may be delivered.
        """

    def tableReshaped(table):
        """
        Columns of a followed table were added, renamed, changed or dropped.  Existing rows may look
        different, and no change reports that.  This is called after L{tableAltered}.
        """

    def tableBack(table):
        """
        A table that was lost is followed again: every change from now on is delivered.
        """

    def tableLeft(table):
        """
        The tracker has stopped following a table without subscribers.  Later changes of it are not
        known.
        """

    def feedDown(reason):
        """
        Changes cannot be read for now.  Nothing is lost; the changes come later.  This is called
        once, and again only after L{feedUp}.

        @param reason: One sentence for clients.  It has no address, no account and no SQL.
        """

    def feedUp():
        """
        Changes are read again, from where they had been read to.
        """


class IWaker(Interface):
    """
    Notices that something may have been committed, sooner than the next poll.

    It may wake without a change, and it may miss a change: the tracker also polls the journal.
    """

    def start(wake):
        """
        Begin to call C{wake()}, on the reactor's thread.
        """

    def stop():
        """
        Stop calling C{wake}.  The waker may be started again.

        @return: L{None}; or, if stopping takes time, a L{Deferred} that fires when it has stopped.
        """


class IChangeTracker(Interface):
    """
    Tells an L{IChangeListener} of every committed change of the watched tables.
    """

    position = Attribute("The highest journal sequence number delivered so far.")
    waiting = Attribute(
        "The backlog of the journal when it was measured last, a"
        " L{aerostack.core.rows.journal.Lag}; L{None} if that is not known."
    )

    def watchedTables():
        """
        @return: The names of the tables that have a subscriber now, as a list.
        """

    def watch(table):
        """
        Begin to watch a table, or count one more subscription to it.

        @return: A L{Deferred} that fires with the table's name as the database
            spells it, once no later change can be missed; fails with
            L{RealtimeError} if the table cannot be watched.  Calls fire in the
            order in which they were made.
        """

    def unwatch(table):
        """
        End the watch of one subscription, by the name that L{watch} fired with.
        """

    def lineage(table):
        """
        @return: See L{IJournal.lineage}; of a watched table.
        """

    def reshapedAt(table):
        """
        @return: See L{IJournal.reshapedAt}; of a watched table.
        """

    def columns(table):
        """
        @return: A L{Deferred} of L{IJournal.columns} of a watched table.  The caller may
            remember the columns until the journal says that the table was altered.
        """

    def surveyPast(table, lineage, after, until, most):
        """
        See L{IJournal.surveyPast}.

        @return: A L{Deferred}.
        """

    def readPast(table, lineage, after, until, limit, size=None):
        """
        See L{IJournal.readPast}.

        @return: A L{Deferred}.
        """

    def snapshot(table, selection, bounds):
        """
        See L{IJournal.snapshot}.

        @return: A L{Deferred} that fires when every change that the rows include was delivered,
            too.
        """

    def reach(position, patience):
        """
        Wait until every change up to a number was delivered, but at most for some seconds.

        @return: A L{Deferred} that fires then.  C{position} shows whether the changes were
            delivered.
        """

    def lag():
        """
        @return: The seconds since the last poll after which the journal had no more changes; later
            changes may not be delivered yet.  0 while no table is watched.
        """

    def health():
        """
        @return: L{None} if the feed is alive, else one sentence that says what is
            wrong.
        """
