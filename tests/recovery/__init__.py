"""
Tests for L{aerostack.recovery}.
"""
