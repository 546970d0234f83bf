"""
Tests of L{aerostack.tracker}.
"""
