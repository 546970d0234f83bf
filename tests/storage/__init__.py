"""
Tests of L{aerostack.storage}, on real databases.
"""
