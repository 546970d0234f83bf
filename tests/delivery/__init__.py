"""
Tests for L{aerostack.delivery}.
"""
