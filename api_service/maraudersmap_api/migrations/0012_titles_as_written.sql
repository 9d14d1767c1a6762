-- serves code from: 1
-- transaction: none
-- An index of every three characters that stand together in a title, so that any part of it is found as it is written,
-- wherever words would be cut. The functions are the only ones that say how text is compared: for the index and for
-- what is searched. Upper case, because how a capital sigma is lowered depends on where it stands; decomposed, because a
-- part of decomposed text is a part of the whole whichever way both were typed.
CREATE OR REPLACE FUNCTION folded(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
BEGIN ATOMIC SELECT upper(CASE WHEN octet_length(value) = length(value) THEN value ELSE normalize(value, NFKD) END); END;
CREATE OR REPLACE FUNCTION grams(value text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
BEGIN ATOMIC SELECT ARRAY(SELECT substr(f, n, 3) FROM (SELECT folded(value) AS f) AS text, generate_series(1, length(f) - 2) AS n); END;
DROP INDEX CONCURRENTLY IF EXISTS incidents_title_grams;
CREATE INDEX CONCURRENTLY incidents_title_grams ON incidents USING gin (grams(title) COLLATE "C")
    WHERE deleted_at IS NULL;
