DROP FUNCTION words_begun(tsquery);
TRUNCATE search_words;
