"""Talking about an incident."""
