"""Address ranges, what leaves the cluster, and the registry that its nodes pull from."""
