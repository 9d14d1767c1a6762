"""Everything that one pass needs to know before it decides."""
