"""
The inside of a worker: its process, and the worker's end of what goes between the hub and its
workers, a module for each subject.

Begin with L{aerostack.workers.worker.main}.  Each other part has C{handlers}: by each kind of
message that the hub sends to it, a function that takes the message.
"""
