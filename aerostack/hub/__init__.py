"""
Pub/sub and presence: from a publication to its subscribers.

One half exists once on a machine, L{aerostack.hub.backbone}: L{aerostack.hub.publishing} checks
publications, L{aerostack.hub.placing} passes them on in order, L{aerostack.hub.commitqueue} lets
those of a topic wait while the database commits one before them, L{aerostack.hub.sequencing} gives
each its position in the topic's log, and L{aerostack.hub.roster} decides who is present.  The other
half is where clients are, L{aerostack.hub.hub}: L{aerostack.hub.delivering} sends to subscribers
what an engine carries, and L{aerostack.hub.presence} lets connections be present.  Begin with
L{aerostack.hub.hub}, whose first lines name the road that every publication takes.

Nodes that share their topics follow them by L{aerostack.hub.following}: with the logs in this
process (L{aerostack.hub.sharing}), or, in a hub with workers, with the heads of the logs alone
(L{aerostack.hub.heads}).
"""
