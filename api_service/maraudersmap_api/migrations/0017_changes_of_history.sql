-- serves code from: 1
-- Which transaction wrote an entry: entries of one change are shown or withheld together, and two changes may begin in the
-- same millisecond, by the same user and with the same request id, which clients choose. Rows from before stay empty and are
-- compared as before; code that does not know the column writes it all the same. Both statements change the catalogue only.
-- Numbers of transactions are a server's own, so in a restored backup they may be larger than any to come, or be given again.
-- They are compared for equality only, never ordered, and only between entries of the same incident, moment, user and request:
-- a later change has a later moment.
ALTER TABLE incident_history ADD COLUMN xid xid8;
ALTER TABLE incident_history ALTER COLUMN xid SET DEFAULT pg_current_xact_id();
