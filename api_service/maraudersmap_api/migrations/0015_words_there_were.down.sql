ALTER FUNCTION grams(text) COST 100;
DROP FUNCTION words_begun(tsquery);
TRUNCATE search_words;
