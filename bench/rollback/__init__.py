"""The same app and the same failures under several tools that roll out revisions, side by side; see __main__.py."""
