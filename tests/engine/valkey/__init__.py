"""
Tests of the engine on Valkey, against a real server.
"""
