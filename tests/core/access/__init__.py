"""
Tests for L{aerostack.core.access}.
"""
