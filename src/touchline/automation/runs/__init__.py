"""A project and a request come in, a recorded run goes out: its steps, and the work of each day."""
