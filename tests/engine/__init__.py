"""
Tests of L{aerostack.engine}: one contract, L{tests.engine.contract}, for every engine.
"""
