"""
Changes of watched tables, from the tracker to subscribers, and snapshots of tables.

Begin with L{aerostack.tables.feed}: the tracker tells it each change, and it hands the change to
the hub, with the L{encoding<aerostack.tables.encoding>} that makes each subscriber's frame.
L{aerostack.tables.snapshots} reads the rows that a subscription begins with,
L{aerostack.tables.columns} remembers the columns of tables, and L{aerostack.tables.status} has the
frames that say how the feed and a table are.
"""
