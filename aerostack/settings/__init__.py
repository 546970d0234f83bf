"""
Every setting of the daemon: what it is called, what values it takes, and what it means.

Begin with L{aerostack.settings.settings}, which has the sections, and
L{aerostack.settings.fields}, which says how a setting is declared.  L{aerostack.settings.kinds}
has the kinds of values.  Reading the file is the work of L{aerostack.config}.
"""
