-- serves code from: 1
-- transaction: none
DROP INDEX CONCURRENTLY IF EXISTS events_xid;
CREATE INDEX CONCURRENTLY events_xid ON events (xid);
