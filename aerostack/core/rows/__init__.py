"""
Rows of watched tables: their changes, and what each subscriber sees of them.

Begin with L{aerostack.core.rows.changes}, a changed row as plain data, and
L{aerostack.core.rows.views}, which decides what a subscriber gets of it.  Filters become
conditions (L{aerostack.core.rows.filters}, L{aerostack.core.rows.conditions}), which compare
values as the databases do (L{aerostack.core.rows.comparison}).
"""
