"""
Tests for L{aerostack.tables}.
"""
