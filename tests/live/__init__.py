"""
Tests of the whole daemon, over real sockets and with a real database.

L{tests.live.daemon} runs a daemon in the test's reactor.  L{tests.live.wire} is a client that
sends exactly the bytes that a test gives it.
"""
