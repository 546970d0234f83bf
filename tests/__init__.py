"""
The tests, laid out as the package that they test.
"""

from hypothesis import settings

# No test depends on how fast the machine is.
settings.register_profile("any-machine", settings(), deadline=None)
settings.load_profile("any-machine")
