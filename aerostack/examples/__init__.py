"""
The server side of the examples, written as in an application on Twisted.

Each function takes an SDK like L{aerostack.client.sdk.TwistedSDK} and the page's request, and
returns the answer for the page.
"""
