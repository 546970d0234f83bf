"""
Tests for L{aerostack.workers.messages}.
"""
