"""
Pub/sub and presence: from a publication to its subscribers.

Begin with L{aerostack.hub.hub}, whose first lines name the road that every publication takes:
L{aerostack.hub.publishing} takes it in, an engine carries it, and L{aerostack.hub.delivering}
sends it to subscribers.  L{aerostack.hub.ordering} gives the publications of a topic their order,
also where some are committed first, and L{aerostack.hub.presence} knows who is present.
"""
