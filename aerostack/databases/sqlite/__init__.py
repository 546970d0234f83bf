"""
SQLite: connections, queries, and the journal that triggers write.
"""
