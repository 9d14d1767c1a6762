"""Incidents: what happened, where, how bad, and who may see it."""
