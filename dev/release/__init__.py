"""`make release VERSION=...`: what a release consists of, made from one commit, the same each time."""
