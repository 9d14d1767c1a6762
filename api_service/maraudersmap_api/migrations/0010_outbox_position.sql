-- serves code from: 1
-- Which transaction wrote an event: whoever reads on in the outbox asks for what has been committed since, and neither ids
-- nor times commit in order. Rows from before stay empty; code that does not know the column writes it all the same.
ALTER TABLE events ADD COLUMN xid xid8;
ALTER TABLE events ALTER COLUMN xid SET DEFAULT pg_current_xact_id();
