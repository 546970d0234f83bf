"""
Tests of the whole daemon, over real sockets and a real database.

L{tests.live.daemon} runs a daemon within the test's reactor, L{tests.live.wire}
is a client that sends exactly the bytes that it is given.
"""
