"""
SQLite: connections, queries, and the journal that triggers write.

Begin with L{aerostack.databases.sqlite.backend}, which names the parts, and
L{aerostack.databases.sqlite.journal}, which reads what the triggers wrote.
L{aerostack.databases.sqlite.triggers} makes the triggers of a table from what
L{aerostack.databases.sqlite.tables} reads of it, and L{aerostack.databases.sqlite.triggertext} has
their SQL.  L{aerostack.databases.sqlite.select} reads the rows of a snapshot.
L{aerostack.databases.sqlite.ledger} keeps the daemon's own tables in the user's database, all of
them named C{_aerostack_*}.  L{aerostack.databases.sqlite.repair} follows what the user does to the
followed tables: L{aerostack.databases.sqlite.places} says where their columns stand in the journal,
and L{aerostack.databases.sqlite.backfill} adds the entries that no trigger wrote.
"""
