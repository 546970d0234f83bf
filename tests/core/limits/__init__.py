"""
Tests for L{aerostack.core.limits}.
"""
