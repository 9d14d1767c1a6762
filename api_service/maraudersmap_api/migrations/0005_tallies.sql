-- serves code from: 1
-- Counts for analytics. Triggers keep them, so that writers that know nothing of them (the previous release, a bulk
-- load) are counted too. A change is appended, never added in place: one hot counter row would make every writer
-- wait for every other. Readers sum tallies and changes; folding the latter into the former is only housekeeping.
-- Writers wait while the existing incidents are counted (some seconds for a million).

-- Three shapes, each as coarse as its readers allow: all days by location and status; each day; each day by location.
CREATE TABLE incident_tallies (
    kind      text NOT NULL CHECK (kind IN ('reported', 'resolved')),  -- which of the two moments `day` is
    day       date NOT NULL,                                           -- in UTC; '-infinity': all days
    severity  smallint NOT NULL,
    location  text NOT NULL,                                           -- '*': everywhere
    status    text NOT NULL,                                           -- '*': whatever it is
    house     text NOT NULL,                                           -- the reporter's; '' for none
    n         bigint NOT NULL,
    seconds   bigint NOT NULL,                                         -- from report to resolution, summed
    PRIMARY KEY (kind, day, severity, location, status, house)
);
CREATE TABLE reporter_tallies (
    day       date NOT NULL,
    reporter  uuid NOT NULL,
    severity  smallint NOT NULL,
    house     text NOT NULL,
    n         bigint NOT NULL,
    PRIMARY KEY (day, reporter, severity, house)
);
CREATE TABLE tally_changes (
    kind      text NOT NULL,
    day       date NOT NULL,
    severity  smallint NOT NULL,
    location  text NOT NULL,
    status    text NOT NULL,
    house     text NOT NULL,
    reporter  uuid NOT NULL,
    n         bigint NOT NULL,
    seconds   bigint NOT NULL
);

CREATE TYPE tally_row AS (
    kind text, day date, severity smallint, location text, status text, house text, reporter uuid, n bigint,
    seconds bigint
);

CREATE FUNCTION tally_of(i incidents, sign integer) RETURNS SETOF tally_row LANGUAGE sql STABLE AS $$
    SELECT m.kind, (m.moment AT TIME ZONE 'UTC')::date, i.severity, i.location, i.status, coalesce(u.house, ''),
           i.reported_by, sign::bigint,
           CASE m.kind WHEN 'resolved'
                THEN sign * greatest(0, extract(epoch FROM i.resolved_at - i.reported_at))::bigint ELSE 0 END
      FROM users u,
           (VALUES ('reported', i.reported_at), ('resolved', i.resolved_at)) AS m (kind, moment)
     WHERE u.id = i.reported_by AND i.deleted_at IS NULL AND m.moment IS NOT NULL
$$;

CREATE FUNCTION tally_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tally_changes (kind, day, severity, location, status, house, reporter, n, seconds)
    SELECT t.kind, t.day, t.severity, t.location, t.status, t.house, t.reporter, sum(t.n), sum(t.seconds)
      FROM new_rows i, tally_of(i::incidents, 1) t GROUP BY 1, 2, 3, 4, 5, 6, 7;
    RETURN NULL;
END $$;
CREATE FUNCTION tally_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tally_changes (kind, day, severity, location, status, house, reporter, n, seconds)
    SELECT t.kind, t.day, t.severity, t.location, t.status, t.house, t.reporter, sum(t.n), sum(t.seconds)
      FROM (SELECT o.* FROM old_rows i, tally_of(i::incidents, -1) o
            UNION ALL
            SELECT n.* FROM new_rows i, tally_of(i::incidents, 1) n) t
     GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(t.n) <> 0 OR sum(t.seconds) <> 0;
    RETURN NULL;
END $$;
CREATE FUNCTION tally_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tally_changes (kind, day, severity, location, status, house, reporter, n, seconds)
    SELECT t.kind, t.day, t.severity, t.location, t.status, t.house, t.reporter, sum(t.n), sum(t.seconds)
      FROM old_rows i, tally_of(i::incidents, -1) t GROUP BY 1, 2, 3, 4, 5, 6, 7;
    RETURN NULL;
END $$;

CREATE TRIGGER incidents_tally_insert AFTER INSERT ON incidents
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally_inserted();
CREATE TRIGGER incidents_tally_update AFTER UPDATE ON incidents
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally_updated();
CREATE TRIGGER incidents_tally_delete AFTER DELETE ON incidents
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally_deleted();

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
SELECT t.kind, t.day, t.severity, t.location, t.status, t.house, t.reporter, sum(t.n), sum(t.seconds)
  FROM incidents i, tally_of(i, 1) t GROUP BY 1, 2, 3, 4, 5, 6, 7;
SELECT fold_tallies(2147483647);
