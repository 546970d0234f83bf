"""
Notices table changes, whichever program makes them.

Triggers in the user's database copy every changed row into one journal table.  They run
inside the writer's own transaction, so the journal never holds what was rolled back.
SQLite has one writer at a time, so the journal's order is the order of commits.  The
daemon reads the journal on a timer.  Begin with L{aerostack.tracker.tracker}.

  - L{aerostack.databases.sqlite.tables} reads the definition of a table,
  - L{aerostack.databases.sqlite.triggers} writes the triggers for it, as text,
  - L{aerostack.databases.sqlite.schema} creates the daemon's own tables in the user's database,
    and L{aerostack.databases.sqlite.ledger} keeps the records in them,
  - L{aerostack.databases.sqlite.repair} adapts the triggers when the user's schema changes,
  - L{aerostack.tracker.columns} remembers what columns the tables have,
  - L{aerostack.databases.sqlite.entries} decodes the journal's entries, and
    L{aerostack.databases.oversize} omits values that are too large to deliver,
  - L{aerostack.databases.sqlite.journal} is the journal that the daemon reads,
  - L{aerostack.tracker.tracker} reads the journal when L{aerostack.tracker.ticker} says; it
    reaches the database through L{aerostack.tracker.monitor},
  - L{aerostack.tracker.attaching} starts to follow tables, L{aerostack.tracker.watched} counts
    their subscribers, and L{aerostack.tracker.alterations} reports changes of their schema,
  - L{aerostack.tracker.dispatch} passes changes to the listener, and
    L{aerostack.tracker.awaited} holds callers back until it has,
  - L{aerostack.tracker.rowreader} reads rows, L{aerostack.tracker.maintenance} prunes and
    measures the journal, and L{aerostack.tracker.retry} says when to try again what failed,
  - L{aerostack.databases.sqlite.wake} notices what others write before the next regular tick.

All objects of the daemon in the user's database are named C{_aerostack_*}, and
L{SQLiteJournal.remove<aerostack.databases.sqlite.journal.SQLiteJournal.remove>} removes all
of them.  The daemon needs SQLite 3.37 or later; the writers do not.

Triggers do not see, and so the daemon never reports: rows changed through an open blob
handle (C{sqlite3_blob_write}), by a connection with triggers switched off
(C{SQLITE_DBCONFIG_ENABLE_TRIGGER}), or in the file itself.
"""
