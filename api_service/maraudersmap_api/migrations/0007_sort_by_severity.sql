-- serves code from: 1
-- transaction: none
-- One index for both directions of sort=severity, its cursors, and the filter by one severity.
-- An index that a broken build left behind is invalid: make it anew.
DROP INDEX CONCURRENTLY IF EXISTS incidents_severity_newest;
CREATE INDEX CONCURRENTLY incidents_severity_newest ON incidents (severity, reported_at, id) WHERE deleted_at IS NULL;
DROP INDEX CONCURRENTLY IF EXISTS incidents_by_severity;
