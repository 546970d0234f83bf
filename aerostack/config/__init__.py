"""
The configuration as it is read from files and the environment.

Begin with L{aerostack.config.loader}, which reads the TOML file into the settings of
L{aerostack.settings}.  L{aerostack.config.secrets} reads credentials from where the file says that
they are, and L{aerostack.config.keys} checks them.
"""
