"""
The tests, laid out as the package that they test.

Properties are tried on examples of a new kind in every run.  Where C{CI} is set they are
tried on the same ones each time, so that what a run says is about the change that it is
for; Hypothesis makes the profile C{ci} for that.

An exception that ends a thread is logged as an error, and so fails the test.

A test that hangs is ended after L{PATIENCE}.

C{make test} puts Node.js beside the interpreter if the machine has none, so programs are looked for
there first.
"""

import os
import sys
import threading
from pathlib import Path

from hypothesis import HealthCheck, settings
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.trial import util

PATIENCE = 600.0
"""Seconds after which a test is taken to hang: far more than any needs, also on a slow machine
that has much else to do."""

util.DEFAULT_TIMEOUT_DURATION = PATIENCE

os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))

# No test depends on how fast the machine is.  A contract's tests run in one class for each
# implementation.
settings.register_profile(
    "any-machine",
    settings.get_profile("ci" if os.environ.get("CI") else "default"),
    deadline=None,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)
settings.load_profile("any-machine")


def _ended(ended: threading.ExceptHookArgs) -> None:
    """
    Log what a thread ended with: trial fails a test that logs an error.
    """
    error = ended.exc_value or ended.exc_type()
    failure = Failure(error, ended.exc_type, ended.exc_traceback)
    name = "" if ended.thread is None else ended.thread.name
    Logger().failure("An exception ended the thread {name}", failure, name=name)


threading.excepthook = _ended
