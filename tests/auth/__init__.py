"""
Tests for L{aerostack.auth}.
"""
