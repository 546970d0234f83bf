"""
Tests for connections over server-sent events.
"""
