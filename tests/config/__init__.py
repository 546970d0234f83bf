"""
Tests for L{aerostack.config}.
"""
