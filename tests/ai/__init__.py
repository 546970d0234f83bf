"""
Tests for L{aerostack.ai}.
"""
