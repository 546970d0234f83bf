"""
The client and the SDK for programs on asyncio: FastAPI, notebooks, tests.

They run in the event loop of the program, whichever it is, and need no reactor.  The classes have
the names and arguments of those for Twisted; methods that take time are coroutines.

  - L{aerostack.client.aio.realtime} is the client, with L{aerostack.client.aio.channel} and
    L{aerostack.client.aio.state}; L{aerostack.client.aio.sdk} is the SDK of servers, with
    L{aerostack.client.aio.stream};
  - L{aerostack.client.aio.clock} and L{aerostack.client.aio.network} are what the client's other
    parts need of a reactor, made of an event loop.
"""

import aerostack.client.extra  # noqa: F401

# What it looks for is imported after it.
# isort: split
from aerostack.client.aio.channel import Channel
from aerostack.client.aio.realtime import RealtimeClient
from aerostack.client.aio.sdk import AsyncSDK
from aerostack.client.aio.stream import Stream
from aerostack.client.draft import StreamEnded
from aerostack.client.errors import ClientError

__all__ = ["AsyncSDK", "Channel", "ClientError", "RealtimeClient", "Stream", "StreamEnded"]
