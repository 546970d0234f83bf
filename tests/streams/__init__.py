"""
Tests for L{aerostack.streams}.
"""
