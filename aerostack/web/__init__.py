"""
The web room: what the daemon serves to browsers, as files.

C{home} is the page at the root; C{client} is the client for pages, Node.js and React, as it is
served and as it is published to npm; C{console} is the console, and C{examples} are the examples.
"""
