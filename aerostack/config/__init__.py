"""
The configuration as it is read from files and the environment.
"""
