DROP INDEX CONCURRENTLY IF EXISTS incidents_by_severity;
CREATE INDEX CONCURRENTLY incidents_by_severity ON incidents (severity, reported_at DESC, id DESC)
    WHERE deleted_at IS NULL;
DROP INDEX CONCURRENTLY IF EXISTS incidents_severity_newest;
