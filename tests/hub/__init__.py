"""
Tests for L{aerostack.hub}.
"""
