"""
The daemon as a process: logs, signals, systemd, and the delay of its reactor.
"""
