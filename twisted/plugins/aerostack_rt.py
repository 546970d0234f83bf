"""
What makes C{twistd aerostack-rt} known.
"""

from twisted.application.service import ServiceMaker

aerostack = ServiceMaker(
    "aerostack-rt",
    "aerostack.server.service",
    "A self-hosted realtime daemon: table changes, pub/sub, presence, history, token streams.",
    "aerostack-rt",
)
