"""
HTTP: the server, its resources and its pages.
"""
