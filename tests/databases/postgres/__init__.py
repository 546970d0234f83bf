"""
Tests for L{aerostack.databases.postgres}.
"""
