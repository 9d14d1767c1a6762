"""The resource's status, its Events, and what may stand in them."""
