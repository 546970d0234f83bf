"""
What the examples need a server for, written as it would be in an application of one's own on
Twisted.

Each of their functions takes an SDK of the shape of L{aerostack.client.sdk.TwistedSDK} and what
the page sent, and gives what the page is answered.
"""
