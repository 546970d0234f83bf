"""
Tests for L{aerostack.workers}, with real processes and sockets.
"""
