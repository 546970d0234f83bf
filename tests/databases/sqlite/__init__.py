"""
Tests for L{aerostack.databases.sqlite}.
"""
