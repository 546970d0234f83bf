"""
Tests for L{aerostack.net.websocket}.
"""
