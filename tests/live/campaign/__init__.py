"""
The daemon under load: clients that flood it, requests that fill it, databases that hang, and
stops meanwhile.

C{.venv/bin/trial tests.live.campaign} runs these tests alone.  That takes about one minute on a
machine that has nothing else to do.  Each test is ended when its time is over, which is a
minute, or two for a stop that something holds up.  All of them together cannot take longer than
L{MOST}.
"""

SECONDS = 60.0
"""How long one test may take, unless its module says otherwise."""

MOST = 75 * 60.0
"""How many seconds all tests may take together."""
