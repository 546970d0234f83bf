"""
Tests for L{aerostack.core.rows}.
"""
