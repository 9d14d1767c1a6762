-- serves code from: 1
-- transaction: none
-- Before an account or an incident is removed (smoke's, after each run) PostgreSQL looks for rows that refer to it. Without
-- an index that is a walk through every incident, every comment and the whole history: no statement may take that long.
-- The lists' indexes on reporters and comments do not serve: they leave out what is deleted, and that refers too.
DROP INDEX CONCURRENTLY IF EXISTS incidents_reported_by;
CREATE INDEX CONCURRENTLY incidents_reported_by ON incidents (reported_by);
DROP INDEX CONCURRENTLY IF EXISTS incidents_resolved_by;
CREATE INDEX CONCURRENTLY incidents_resolved_by ON incidents (resolved_by) WHERE resolved_by IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS incident_history_changed_by;
CREATE INDEX CONCURRENTLY incident_history_changed_by ON incident_history (changed_by);
DROP INDEX CONCURRENTLY IF EXISTS comments_author;
CREATE INDEX CONCURRENTLY comments_author ON comments (author_id);
DROP INDEX CONCURRENTLY IF EXISTS comments_incident;
CREATE INDEX CONCURRENTLY comments_incident ON comments (incident_id);
