"""
Fakes of the network, the database and the clock, for our tests and for yours.

Begin with L{World}, a whole daemon in memory, without sockets, database or time.  L{MemoryClient}
sends it single frames, and a L{MemoryWire} connects the Python client to it.  Each fake does what
the real part promises, at once and in memory.  A L{Relay} is no fake: it disturbs real connections.
L{aerostack.testing.aio} runs a world on an event loop.  L{aerostack.testing.models} has a server
with a model, for tests of what asks one.
"""

from aerostack.testing.answers import MemoryAnswers
from aerostack.testing.clients import MemoryClient
from aerostack.testing.connections import Frame, MemoryConnection, readFrames
from aerostack.testing.database import SynchronousDatabase
from aerostack.testing.history import MemoryHistory
from aerostack.testing.relay import Direction, Relay
from aerostack.testing.tracker import MemoryTracker
from aerostack.testing.wires import MemoryWire
from aerostack.testing.world import (
    PUBLIC_KEY,
    SECRET_KEY,
    TOKEN_SECRET,
    URL,
    World,
    makeProject,
)

__all__ = [
    "PUBLIC_KEY",
    "SECRET_KEY",
    "TOKEN_SECRET",
    "URL",
    "Direction",
    "Frame",
    "MemoryAnswers",
    "MemoryClient",
    "MemoryConnection",
    "MemoryHistory",
    "MemoryTracker",
    "MemoryWire",
    "Relay",
    "SynchronousDatabase",
    "World",
    "makeProject",
    "readFrames",
]
