"""
One machine's processes: the hub, its workers, and what goes between them.

The hub is the process that was started: it accepts connections and decides for all.  A worker is a
process of the hub that serves clients.

Begin with L{aerostack.workers.supervisor}, which keeps the workers running, as
L{aerostack.workers.lives} decides.  L{aerostack.workers.process} is a worker as the hub sees it,
L{aerostack.workers.worker.main} is the inside of one.  Messages go through
L{aerostack.workers.channel}.  L{aerostack.workers.distribution} gives accepted connections to the
workers: L{aerostack.workers.accepting} accepts them, L{aerostack.workers.balance} chooses the
worker, and L{aerostack.workers.descriptors} passes them.

What the hub and its workers say to each other stands in L{aerostack.workers.messages}, a module
for each subject.  L{aerostack.workers.hub} has the hub's end of each subject, and
L{aerostack.workers.worker} the worker's end.
"""
