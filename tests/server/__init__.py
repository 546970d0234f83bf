"""
Tests for L{aerostack.server}.
"""
