"""
Tests of L{aerostack.cli}.
"""
