"""
Tests for L{aerostack.core.replay}.
"""
