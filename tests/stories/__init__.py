"""
Tests that tell a story over several modules.
"""
