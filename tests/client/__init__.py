"""
Tests of L{aerostack.client}.
"""
