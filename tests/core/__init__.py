"""
Tests of L{aerostack.core}.
"""
