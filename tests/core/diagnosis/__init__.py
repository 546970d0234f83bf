"""
Tests for L{aerostack.core.diagnosis}.
"""
