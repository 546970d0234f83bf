"""
Bounds on what a connection, a project and an address may take, in bytes and in time.
"""
