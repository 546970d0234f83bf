"""
Says what to install where the packages of the extra C{realtime} are missing.

The distribution of the client installs without them, for servers that only emit.  Modules that
applications import import this one before those packages.

@raise ModuleNotFoundError: One of them is missing; the message has the command.
"""

from importlib.util import find_spec

for _name in ("twisted", "autobahn", "treq", "service_identity", "OpenSSL"):
    if find_spec(_name) is None:
        raise ModuleNotFoundError(
            f"No module named '{_name}', which this client needs; run:"
            " pip install 'aerostack-rt-client[realtime]'",
            name=_name,
        )
