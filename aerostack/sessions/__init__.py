"""
What a client's frames do: sessions, their commands and their subscriptions.

Begin with L{aerostack.sessions.session}, one client from its opening to its close, and
L{aerostack.sessions.commands}, which has a method for each frame of a client.
L{aerostack.sessions.subscriptions} begins, changes and ends subscriptions, and
L{aerostack.sessions.tracking} does the same for presence.  L{aerostack.sessions.claims} and
L{aerostack.sessions.attaching} take what a request needs first.  L{aerostack.sessions.shares}
counts what projects use, L{aerostack.sessions.allowance} limits what a client may send,
L{aerostack.sessions.services} puts together what serves sessions, L{aerostack.sessions.context}
holds what all sessions share, and L{aerostack.sessions.rpc} answers the calls of servers over HTTP.
"""
