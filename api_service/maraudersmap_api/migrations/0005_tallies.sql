-- serves code from: 1
-- Counts for analytics. Triggers keep them, so that writers that know nothing of them (the previous release, a bulk
-- load) are counted too. A change is appended, never added in place: one hot counter row would make every writer
-- wait for every other. Readers sum tallies and changes; folding the latter into the former is only housekeeping.
-- What there was before is counted by the next migration, for which nobody has to wait.

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
    PRIMARY KEY (day, kind, severity, location, status, house)
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
