"""Stored data comes in; damage is found and repaired, and data that nothing refers to is deleted."""
