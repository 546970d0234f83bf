"""
The contracts between the rooms, with what they guarantee: L{aerostack.interfaces.tracking} and
L{aerostack.interfaces.messaging}.
"""
