-- serves code from: 1
-- What is said about an incident. Deleting hides a comment, it never removes it.

CREATE TABLE comments (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id  bigint NOT NULL REFERENCES incidents (id),
    author_id    uuid NOT NULL REFERENCES users (id),
    content      text NOT NULL CHECK (length(content) BETWEEN 1 AND 5000 AND btrim(content) <> ''),
    created_at   timestamptz(3) NOT NULL DEFAULT now(),
    updated_at   timestamptz(3) NOT NULL DEFAULT now(),
    deleted_at   timestamptz(3)
);
CREATE INDEX comments_of_incident ON comments (incident_id, id) WHERE deleted_at IS NULL;
