"""
Tests that what is written for people is so.
"""
