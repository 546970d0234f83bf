"""
The contracts between the rooms, with what they guarantee.

L{aerostack.interfaces.tracking} has the changes of tables, and L{aerostack.interfaces.messaging}
messages, subscribers and connections.  L{aerostack.interfaces.publishing},
L{aerostack.interfaces.logs}, L{aerostack.interfaces.roster} and L{aerostack.interfaces.shares} are
what the part of the daemon that serves clients needs of the part that exists once on a machine.
L{aerostack.interfaces.nodes} carries questions between nodes, and L{aerostack.interfaces.line}
orders to remove users; L{aerostack.interfaces.revocations} keeps the revocations of tokens for all
of them.  L{aerostack.interfaces.answers} keeps streamed answers while they run, and
L{aerostack.interfaces.models} asks the models that make some of them.
"""
