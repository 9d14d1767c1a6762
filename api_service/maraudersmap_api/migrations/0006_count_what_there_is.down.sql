DROP FUNCTION fold_tallies(integer);
TRUNCATE incident_tallies, reporter_tallies, tally_changes;
