"""
Tests for L{aerostack.core.topics}.
"""
