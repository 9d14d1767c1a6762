"""Who is asking: accounts, passwords and tokens."""
