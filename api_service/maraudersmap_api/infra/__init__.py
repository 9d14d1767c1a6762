"""What the service stands on: database, cache, health, metrics and logs."""
