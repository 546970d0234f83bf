"""
Rows of watched tables: changes, conditions, filters and views of them.
"""
