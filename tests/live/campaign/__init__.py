"""
The daemon under load: floods, requests that fill it, databases that hang, and stops meanwhile.

C{.venv/bin/trial tests.live.campaign} runs these tests alone.  They use about 35 seconds of a
processor.  By the clock they took 137, 190 and 197 seconds on two cores on which five to ten other
programs ran; an idle machine needs less.  Each test has a timeout of three minutes, or of two for a
delayed stop.  All of them together take at most L{MOST}.
"""

SECONDS = 180.0
"""The timeout of a test in seconds, unless its module has another one."""

MOST = 180 * 60.0
"""The most seconds that all tests may take together."""
