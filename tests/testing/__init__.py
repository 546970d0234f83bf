"""
Tests of the fakes that the package offers for tests.
"""
