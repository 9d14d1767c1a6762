"""What somebody should know, on their own list."""
