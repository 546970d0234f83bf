"""
Tests for L{aerostack.core.keyed}.
"""
