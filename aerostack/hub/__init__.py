"""
Pub/sub and presence: from a publication to its subscribers.

Begin with L{aerostack.hub.hub}, which every publication, subscription and presence passes.
L{aerostack.hub.ordering} gives the publications of a topic their order, also where some are
committed first.  L{aerostack.hub.presence} knows who is present, and L{aerostack.hub.encoding}
makes frames of publications.
"""
