"""
Tests of L{aerostack.storage}, on real SQLite files.
"""
