"""
Tests for L{aerostack.settings}.
"""
