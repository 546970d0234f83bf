"""
Tests for L{aerostack.client.aio}.
"""
