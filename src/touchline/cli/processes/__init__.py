"""The processes of a home: the API, the supervisor that keeps it running, and the check of the installation."""
