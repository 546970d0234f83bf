"""
Tests of L{aerostack.protocol}.
"""
