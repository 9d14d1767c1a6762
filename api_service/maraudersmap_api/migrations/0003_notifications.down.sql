ALTER TABLE events DROP COLUMN user_id;
DROP INDEX users_active_role;
DROP TABLE notifications;
