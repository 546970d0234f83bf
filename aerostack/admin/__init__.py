"""
What an operator sees of a running daemon, in the console and on the command line.

L{aerostack.admin.directory} lists the connections and the topics, and is the place to begin.
L{aerostack.admin.taps} shows what passes on a topic, L{aerostack.admin.sampler} counts what the
daemon does each second, and L{aerostack.admin.diagnosis} gathers why a publication did or did not
reach a user.
"""
