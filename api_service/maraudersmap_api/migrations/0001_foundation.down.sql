DROP TABLE events, incident_history, incidents, refresh_tokens, users;
