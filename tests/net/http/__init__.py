"""
Tests for L{aerostack.net.http}.
"""
