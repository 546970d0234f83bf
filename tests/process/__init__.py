"""
Tests for L{aerostack.process}.
"""
