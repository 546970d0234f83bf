"""
The daemon as a process: logs, signals, systemd, and its reactor.

Begin with L{aerostack.process.signals}, which stops and reloads the daemon, and
L{aerostack.process.logs}, which makes a line of each event.  L{aerostack.process.lag} measures how
late the reactor is.  The other modules set Python and the reactor to what a daemon with very many
connections needs.
"""
