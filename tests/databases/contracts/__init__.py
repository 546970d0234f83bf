"""
Tests that every database passes; the tests of each database inherit them.
"""
