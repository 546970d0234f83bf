"""
The configuration as it is read from files and the environment.

Begin with L{aerostack.config.loader}, which reads the TOML file into the settings of
L{aerostack.settings}.  Most modules beside it read one part of the file.  They add every mistake to
L{aerostack.config.problems}, so that one run names all of them.  L{aerostack.config.secrets} reads
credentials from where the file says that they are, and L{aerostack.config.keys} checks them.
"""
