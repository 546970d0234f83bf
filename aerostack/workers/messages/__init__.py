"""
The messages between the hub and its workers, a module for each subject.

Each module has a tuple C{KINDS} of its messages.  Their tags are unique over all modules:
publications and logs have 16 to 31, tables 32 to 63, presence and limits 64 to 95, and the
processes themselves 96 to 127.
"""
