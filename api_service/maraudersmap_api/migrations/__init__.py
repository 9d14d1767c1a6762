"""Numbered SQL files, applied in order by `python -m maraudersmap_api migrate`."""
