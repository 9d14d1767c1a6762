-- serves code from: 1
-- What somebody should know, and events that are for one user only.

CREATE TABLE notifications (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    type         text NOT NULL CHECK (type IN ('INCIDENT_CREATED', 'INCIDENT_ESCALATED', 'INCIDENT_RESOLVED',
                                               'COMMENT_ADDED', 'MENTION')),
    title        text NOT NULL,
    message      text NOT NULL,
    incident_id  bigint NOT NULL REFERENCES incidents (id),
    created_at   timestamptz(3) NOT NULL DEFAULT now(),
    read_at      timestamptz(3),
    metadata     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX notifications_of_user ON notifications (user_id, id DESC);
CREATE INDEX notifications_of_incident ON notifications (incident_id);
CREATE INDEX notifications_unread ON notifications (user_id, id DESC) WHERE read_at IS NULL;

-- The active Aurors are asked for with each dangerous incident.
CREATE INDEX users_active_role ON users (role) WHERE is_active;

-- NULL: for everybody who may view the incident.
ALTER TABLE events ADD COLUMN user_id uuid;
