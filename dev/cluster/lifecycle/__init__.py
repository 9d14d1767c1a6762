"""A cluster from its making to its removal, and the Docker daemon below it."""
