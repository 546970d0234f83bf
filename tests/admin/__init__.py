"""
Tests for L{aerostack.admin}.
"""
