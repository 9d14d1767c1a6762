"""What a pass is handed: the resource, what this process remembers of it, and what all passes share."""
