"""
Tests of L{aerostack.databases}, on real databases.
"""
