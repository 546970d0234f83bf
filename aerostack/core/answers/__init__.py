"""
Streamed answers: texts that a producer sends piece by piece, and that every watcher gets whole.

A token stream is called an answer in the code, because the wire's word, stream, has other meanings
there.  L{aerostack.core.answers.growth} says how one grows, in the form that all upstreams and
watchers share.  L{aerostack.core.answers.checkpoints} has what the database keeps of an answer
while it runs.
"""
