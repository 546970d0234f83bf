"""
Tests for L{aerostack.core.nodes}.
"""
