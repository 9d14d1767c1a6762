-- serves code from: 1
-- transaction: none
-- A reader's own reports of severities hidden from others are counted one by one for each total: with what the filters
-- ask for in the index itself, without reading the incidents. It also does what incidents_by_reporter did.
DROP INDEX CONCURRENTLY IF EXISTS incidents_of_reporter;
CREATE INDEX CONCURRENTLY incidents_of_reporter ON incidents (reported_by, reported_at DESC, id DESC)
    INCLUDE (severity, location, status) WHERE deleted_at IS NULL;
DROP INDEX CONCURRENTLY IF EXISTS incidents_by_reporter;
