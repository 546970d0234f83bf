"""
PostgreSQL: connections, queries, and the journal that triggers write.

Begin with L{aerostack.databases.postgres.backend}, which names the parts, and
L{aerostack.databases.postgres.journal}, which reads what the triggers wrote.
L{aerostack.databases.postgres.triggers} has the SQL of the triggers, and
L{aerostack.databases.postgres.schema} has the daemon's own tables in the user's database.
L{aerostack.databases.postgres.select} reads the rows of a snapshot, and
L{aerostack.databases.postgres.repair} follows what the user does to the followed tables.
"""
