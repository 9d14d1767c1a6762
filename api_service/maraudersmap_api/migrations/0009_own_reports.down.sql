DROP INDEX CONCURRENTLY IF EXISTS incidents_by_reporter;
CREATE INDEX CONCURRENTLY incidents_by_reporter ON incidents (reported_by, reported_at DESC, id DESC)
    WHERE deleted_at IS NULL;
DROP INDEX CONCURRENTLY IF EXISTS incidents_of_reporter;
