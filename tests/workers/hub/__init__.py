"""
Tests for L{aerostack.workers.hub}.
"""
