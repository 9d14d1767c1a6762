-- serves code from: 1
-- Counts the incidents that were there before the triggers, while others go on writing. Rows and their changes become
-- visible together, so in one snapshot: all incidents less all changes is what there was at first.

-- Moves some changes into the tallies; returns how many, or -1 while somebody else is at it.
CREATE FUNCTION fold_tallies(most integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    folded integer;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('fold_tallies')) THEN
        RETURN -1;
    END IF;
    WITH moved AS (
        DELETE FROM tally_changes WHERE ctid = ANY (ARRAY(SELECT ctid FROM tally_changes LIMIT most))
        RETURNING kind, day, severity, location, status, house, reporter, n, seconds
    ), counted AS (
        INSERT INTO incident_tallies AS t (kind, day, severity, location, status, house, n, seconds)
        SELECT m.kind, shape.day, m.severity, shape.location, shape.status, m.house, sum(m.n), sum(m.seconds)
          FROM moved m, LATERAL (VALUES ('-infinity'::date, m.location, m.status),
                                        (m.day, '*', '*'),
                                        (m.day, m.location, '*')) AS shape (day, location, status)
         GROUP BY 1, 2, 3, 4, 5, 6
        ON CONFLICT (kind, day, severity, location, status, house)
        DO UPDATE SET n = t.n + excluded.n, seconds = t.seconds + excluded.seconds
    ), credited AS (
        INSERT INTO reporter_tallies AS t (day, reporter, severity, house, n)
        SELECT m.day, m.reporter, m.severity, m.house, sum(m.n)
          FROM moved m WHERE m.kind = 'reported' GROUP BY 1, 2, 3, 4 HAVING sum(m.n) <> 0
        ON CONFLICT (day, reporter, severity, house) DO UPDATE SET n = t.n + excluded.n
    )
    SELECT count(*) INTO folded FROM moved;
    RETURN folded;
END $$;

INSERT INTO tally_changes (kind, day, severity, location, status, house, reporter, n, seconds)
SELECT kind, day, severity, location, status, house, reporter, sum(n), sum(seconds)
  FROM (SELECT t.kind, t.day, t.severity, t.location, t.status, t.house, t.reporter, t.n, t.seconds
          FROM incidents i, tally_of(i, 1) t
        UNION ALL
        SELECT kind, day, severity, location, status, house, reporter, -n, -seconds FROM tally_changes) AS at_first
 GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(n) <> 0 OR sum(seconds) <> 0;
SELECT fold_tallies(2147483647);
