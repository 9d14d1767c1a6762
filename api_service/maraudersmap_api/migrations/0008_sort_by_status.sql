-- serves code from: 1
-- transaction: none
-- sort=status goes by stage, not by alphabet; the expression is written out in incidents/listing.py too.
DROP INDEX CONCURRENTLY IF EXISTS incidents_stage_newest;
CREATE INDEX CONCURRENTLY incidents_stage_newest
    ON incidents ((CASE status WHEN 'OPEN' THEN 1 WHEN 'IN_PROGRESS' THEN 2 WHEN 'RESOLVED' THEN 3 ELSE 4 END),
                  reported_at, id)
    WHERE deleted_at IS NULL;
