"""What a change tells others: events and notifications, written in its transaction, sent once it is committed."""
