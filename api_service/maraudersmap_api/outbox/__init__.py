"""What a change announces: events and notifications, written in its transaction, sent once it is committed."""
