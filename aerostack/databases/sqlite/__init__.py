"""
SQLite: connections, queries, and the journal that triggers write.

Begin with L{aerostack.databases.sqlite.backend}, which names the parts, and
L{aerostack.databases.sqlite.journal}, which reads what the triggers wrote.
L{aerostack.databases.sqlite.triggers} has the SQL of the triggers, from what
L{aerostack.databases.sqlite.tables} reads of a table.  L{aerostack.databases.sqlite.ledger} keeps
the daemon's own tables in the user's database, all of them named C{_aerostack_*}, and
L{aerostack.databases.sqlite.repair} follows what the user does to the followed tables.
"""
