DROP TRIGGER incidents_tally_insert ON incidents;
DROP TRIGGER incidents_tally_update ON incidents;
DROP TRIGGER incidents_tally_delete ON incidents;
DROP FUNCTION tally_inserted(), tally_updated(), tally_deleted(), tally_of(incidents, integer);
DROP TYPE tally_row;
DROP TABLE tally_changes, reporter_tallies, incident_tallies;
