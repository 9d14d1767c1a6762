"""The MaraudersMap operator."""
