"""Routes about the running system: health of its parts, alerts, trainings, and gauges of what is stored."""
