"""The processes of `touchline up`: their applications, supervision, health."""
