-- serves code from: 1
-- transaction: none
-- An index of every three characters that stand together in a title, so that any part of it is found as it is written,
-- wherever words would be cut. The functions are the only ones that say how text is compared: for the index and for
-- what is searched. Upper case, because how a capital sigma is lowered depends on where it stands; decomposed, because a
-- part of decomposed text is a part of the whole whichever way both were typed.
CREATE OR REPLACE FUNCTION folded(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
BEGIN ATOMIC SELECT upper(CASE WHEN octet_length(value) = length(value) THEN value ELSE normalize(value, NFKD) END); END;
-- Three code points of 21 bits each.
CREATE OR REPLACE FUNCTION grams(value text) RETURNS bigint[] LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
BEGIN ATOMIC SELECT coalesce(array_agg(DISTINCT ascii(c[n])::bigint << 42 | ascii(c[n + 1])::bigint << 21 | ascii(c[n + 2])::bigint), '{}') FROM (SELECT string_to_array(folded(value), NULL) AS c) AS split, generate_series(1, cardinality(c) - 2) AS n; END;
DROP INDEX CONCURRENTLY IF EXISTS incidents_title_grams;
CREATE INDEX CONCURRENTLY incidents_title_grams ON incidents USING gin (grams(title)) WHERE deleted_at IS NULL;
