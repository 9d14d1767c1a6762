ALTER TABLE incident_history DROP COLUMN xid;
