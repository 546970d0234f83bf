"""
The hub's end of what goes between the hub and its workers, a module for each subject.

Each part has C{handlers}: by each kind of message that workers send to it, a function that takes
the worker's link (L{aerostack.workers.hub.links}) and the message.  Of a question, the function
returns the answer, or a L{Deferred} of it.
"""
