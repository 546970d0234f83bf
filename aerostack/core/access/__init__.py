"""
Who may do what on which topic, table and row.

Begin with L{aerostack.core.access.permissions}, which has identities and the actions that they
may do on a topic.  L{aerostack.core.access.tables} says which tables and columns an identity may
read, and L{aerostack.core.access.rowrules} which rows.  L{aerostack.core.access.removals} has what
a server asks for to remove a user, and L{aerostack.core.access.revocations} the tokens that the
daemon refuses.
"""
