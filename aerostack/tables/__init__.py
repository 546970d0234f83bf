"""
Changes of watched tables, from the tracker to subscribers, and snapshots of tables.
"""
