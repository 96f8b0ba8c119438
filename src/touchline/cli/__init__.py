"""What a person types. The opened: it reads settings, loads the project, opens clients and hands them down.

Modules here import only the standard library, Typer and Rich at the top, so that `touchline --help`
answers at once; a command imports the rooms it needs when it runs.
"""
