"""What the cluster shows, as plain facts: reads only, and nothing of a pass."""
