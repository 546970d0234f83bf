"""
Valkey or Redis between daemons.  Begin with L{aerostack.engine.valkey.link}, the one connection to
the server.

The logs of topics are in L{aerostack.engine.valkey.log}: C{placing} brings publications into them,
C{attaching} follows topics, and the scripts in C{logscripts} are what the server does for both.

Who is present is in L{aerostack.engine.valkey.roster}: C{membersets} follows the sets of topics,
C{lease} looks after dead nodes, and the scripts in C{rosterscripts} and C{leasescripts} are what
the server does.

The other nodes are in L{aerostack.engine.valkey.nodes}: each reports itself, and they ask each
other.  L{aerostack.engine.valkey.rates} has the rates of projects that they share.

The driver C{hiredis} comes with the extra C{valkey}.  Modules that need it are imported only where
an engine is configured.  L{aerostack.engine.valkey.address} works without it.
"""
