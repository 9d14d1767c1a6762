"""Carrying out what the rollout engine has decided."""
