-- serves code from: 1
-- Which words there are. A search asks for beginnings of words, and for each of them the index on words gathers everything
-- that begins so before it compares anything; whole words it meets several times faster. So a beginning is asked for as
-- the few words it stands for, which must then all be here: triggers add them, whoever writes. None is ever taken away.
-- Those of earlier incidents are added by the next migration, for which nobody has to wait.

-- Not unique on purpose: two that bring the same new word at once would wait for one another, for as long as the first
-- keeps its transaction open. Both add it instead, and either may take its own back.
CREATE TABLE search_words (word text COLLATE "C" NOT NULL);
CREATE INDEX search_words_word ON search_words (word);

-- One look-up for each word, also in plans that were made while the table was empty: hence the subquery, which cannot
-- become a join, and the setting.
CREATE FUNCTION words_inserted() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO search_words (word)
    SELECT n.word FROM (SELECT DISTINCT u.lexeme COLLATE "C" AS word FROM new_rows i, unnest(i.search) AS u) AS n
     WHERE (SELECT true FROM search_words w WHERE w.word = n.word LIMIT 1) IS NULL;
    RETURN NULL;
END $$;
CREATE FUNCTION words_updated() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO search_words (word)
    SELECT n.word FROM (SELECT u.lexeme COLLATE "C" AS word FROM unnest(NEW.search) AS u) AS n
     WHERE (SELECT true FROM search_words w WHERE w.word = n.word LIMIT 1) IS NULL;
    RETURN NULL;
END $$;

CREATE TRIGGER incidents_words_insert AFTER INSERT ON incidents
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION words_inserted();
CREATE TRIGGER incidents_words_update AFTER UPDATE ON incidents
    FOR EACH ROW WHEN (OLD.search IS DISTINCT FROM NEW.search) EXECUTE FUNCTION words_updated();
