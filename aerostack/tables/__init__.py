"""
Changes of watched tables, from the tracker to subscribers, and snapshots of tables.

Begin with L{aerostack.tables.feed}: the tracker tells it each change, and it sends each
subscriber what that one may see.  L{aerostack.tables.snapshots} reads the rows that a subscription
begins with, and L{aerostack.tables.encoding} makes frames of changes.
"""
