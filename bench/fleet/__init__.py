"""The operator with a fleet of resources: how much memory and time it takes. `make bench-fleet`."""
