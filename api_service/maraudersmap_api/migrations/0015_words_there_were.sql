-- serves code from: 1
-- The words of incidents from before the triggers, in one reading of the table that nobody waits for. CREATE TRIGGER waited
-- for all who were writing, so what this does not see has met the triggers.
INSERT INTO search_words (word)
SELECT n.word FROM (SELECT DISTINCT u.lexeme COLLATE "C" AS word FROM incidents i, unnest(i.search) AS u) AS n
 WHERE NOT EXISTS (SELECT 1 FROM search_words w WHERE w.word = n.word);

-- 'pot':* as 'potion' | 'potter'. As it is: what is not one beginning, what nothing begins with, and what more than 64
-- words begin with, of which the index finds the beginning no later.
CREATE FUNCTION words_begun(begun tsquery) RETURNS tsquery LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
    beginning text COLLATE "C" := substring(begun::text FROM '^''([^''\\]+)'':\*$');
    whole tsquery;
BEGIN
    IF beginning IS NOT NULL THEN
        SELECT CASE WHEN count(*) <= 64
                    THEN string_agg('''' || replace(replace(word, '\', '\\'), '''', '''''') || '''', ' | ')::tsquery END
          INTO whole
          FROM (SELECT DISTINCT w.word FROM search_words w
                 WHERE w.word >= beginning AND w.word < beginning || chr(1114111) LIMIT 65) AS begun_so;
    END IF;
    RETURN coalesce(whole, begun);
END $$;

-- What it costs, so that the planner rather asks the index also of a table that was never analysed: it compared 10,000
-- titles one by one.
ALTER FUNCTION grams(text) COST 1000;
