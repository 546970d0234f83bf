"""
The room that notices table changes, whoever makes them.

In the user's database triggers, which run inside the writer's own transaction,
copy every changed row into one journal table.  What was rolled back is thus never
in it, and because SQLite has one writer at a time, the journal's order is the
order of commits.  The daemon reads the journal on a timer.

  - L{aerostack.databases.sqlite.tables} reads what a table looks like,
  - L{aerostack.databases.sqlite.triggers} writes the triggers for it, as text,
  - L{aerostack.databases.sqlite.ledger} keeps our own tables in the user's database,
  - L{aerostack.databases.sqlite.repair} follows the changes of the user's schema,
  - L{aerostack.tracker.columns} remembers what columns the tables have,
  - L{aerostack.databases.sqlite.entries} makes of the journal's entries what they tell, and
    L{aerostack.databases.oversize} sees what of it is too large to be told,
  - L{aerostack.databases.sqlite.journal} is the journal that the daemon reads,
  - L{aerostack.tracker.tracker} is the timer; L{aerostack.tracker.monitor} asks the database
    for it, L{aerostack.tracker.retry} says when what failed is tried again,
    L{aerostack.tracker.watched} knows who watches what,
    L{aerostack.tracker.dispatch} tells them, and L{aerostack.tracker.maintenance} does what is due
    now and then,
  - L{aerostack.databases.sqlite.wake} notices what others write before the timer does.

All that is ours in the user's database is named C{_aerostack_*}, and
L{SQLiteJournal.remove<aerostack.databases.sqlite.journal.SQLiteJournal.remove>} takes all of
it out again.  SQLite 3.37 or later is needed by the daemon, not by the writers.

What no trigger sees, and so is never told: rows changed through an open blob
handle (C{sqlite3_blob_write}), by a connection with triggers switched off
(C{SQLITE_DBCONFIG_ENABLE_TRIGGER}), or in the file itself.
"""
