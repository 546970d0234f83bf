"""
Tests for L{aerostack.core.answers}.
"""
