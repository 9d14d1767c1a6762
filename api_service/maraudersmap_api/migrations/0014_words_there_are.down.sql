DROP TRIGGER incidents_words_insert ON incidents;
DROP TRIGGER incidents_words_update ON incidents;
DROP FUNCTION words_inserted(), words_updated();
DROP TABLE search_words;
