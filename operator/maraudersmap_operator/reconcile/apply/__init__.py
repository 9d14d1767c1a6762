"""Children: made as wanted, taken over, cleared away."""
