"""Counting incidents, and taking them away as CSV."""
