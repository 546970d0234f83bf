"""
HTTP: the server, its resources and the files for browsers.

Begin with L{aerostack.net.http.api}, which has history and RPC.  The classes of all resources
extend those of L{aerostack.net.http.base}, and L{aerostack.net.http.tree} puts the resources of a
site together.
L{aerostack.net.http.server} bounds connections and requests, L{aerostack.net.http.admin} serves the
console, L{aerostack.net.http.health} serves watchdogs, and L{aerostack.net.http.metrics} serves
Prometheus.
"""
