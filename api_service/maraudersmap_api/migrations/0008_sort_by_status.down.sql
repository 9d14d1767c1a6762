DROP INDEX CONCURRENTLY IF EXISTS incidents_stage_newest;
