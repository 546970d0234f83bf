"""
The daemon under load: floods, requests that fill it, databases that hang, and stops meanwhile.

C{.venv/bin/trial tests.live.campaign} runs these tests alone.  That takes about one minute on an
idle machine.  Each test has a timeout of a minute, or of two for a delayed stop.  All of them
together take at most L{MOST}.
"""

SECONDS = 60.0
"""The timeout of a test in seconds, unless its module has another one."""

MOST = 75 * 60.0
"""The most seconds that all tests may take together."""
