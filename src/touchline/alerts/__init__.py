"""Alerts: states and events of a project become incidents, and incidents become messages.

In: observations ("this is wrong", "this is well again", "this happened") and the declared `Alerts`.
Out: incidents with their signals, silences and messages in the metadata database; notes by Apprise to people, signed
webhooks to systems.
Promises: one cause is one open incident, however many signals and processes report it; a message is written in the
transaction that changes its incident, and delivered later, by another process, until it arrives or is given up; raising
an incident never waits for a receiver; secrets of addresses are neither shown nor stored.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
