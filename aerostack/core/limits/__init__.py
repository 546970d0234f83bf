"""
Bounds on what a connection, a project and an address may take, in bytes and in time.

Begin with L{aerostack.core.limits.rates}, the token buckets that all rates use.
L{aerostack.core.limits.quotas} adds up what each project and address takes,
L{aerostack.core.limits.leases} lets several processes take from one project's rate, and
L{aerostack.core.limits.admission} and L{aerostack.core.limits.lag} say when new connections are let
in.
L{aerostack.core.limits.draining} plans in which order clients are sent away when the daemon
stops.
"""
