"""
Tests for L{aerostack.examples}.
"""
