"""The commands that a person types. A command opens settings, projects and stores, and hands them to a room.

Files here import whole rooms at the top (`from touchline import features`): a room loads its files when a name of
it is used, so `touchline --help` answers at once.
"""
