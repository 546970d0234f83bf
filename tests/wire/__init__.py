"""
Tests of L{aerostack.wire}.
"""
