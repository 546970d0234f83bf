"""
Tests for L{aerostack.sessions}.
"""
