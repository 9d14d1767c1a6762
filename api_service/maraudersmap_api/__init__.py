"""The incident API."""
