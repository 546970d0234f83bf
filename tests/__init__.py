"""
The tests, laid out as the package that they test.

Properties are tried on examples of a new kind in every run.  Where C{CI} is set they are
tried on the same ones each time, so that what a run says is about the change that it is
for; Hypothesis makes the profile C{ci} for that.
"""

import os

from hypothesis import settings

# No test depends on how fast the machine is.
settings.register_profile(
    "any-machine", settings.get_profile("ci" if os.environ.get("CI") else "default"), deadline=None
)
settings.load_profile("any-machine")
