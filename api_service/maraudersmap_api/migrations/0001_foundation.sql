-- serves code from: 1
-- Users, incidents and what must be true of them, whoever writes.

CREATE TABLE users (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email          text NOT NULL,
    password_hash  text NOT NULL,
    role           text NOT NULL DEFAULT 'STUDENT' CHECK (role IN ('STUDENT', 'PREFECT', 'AUROR')),
    first_name     text NOT NULL CHECK (length(first_name) BETWEEN 1 AND 100),
    last_name      text NOT NULL CHECK (length(last_name) BETWEEN 1 AND 100),
    house          text CHECK (house IN ('GRYFFINDOR', 'SLYTHERIN', 'RAVENCLAW', 'HUFFLEPUFF')),
    avatar_url     text,
    token_version  integer NOT NULL DEFAULT 1,
    is_active      boolean NOT NULL DEFAULT true,
    created_at     timestamptz(3) NOT NULL DEFAULT now(),
    updated_at     timestamptz(3) NOT NULL DEFAULT now(),
    last_login_at  timestamptz(3),
    CONSTRAINT users_email_key UNIQUE (email),
    CONSTRAINT users_email_form CHECK (email = lower(btrim(email)) AND email LIKE '_%@hogwarts.edu')
);

CREATE TABLE refresh_tokens (
    token_hash   bytea PRIMARY KEY,
    user_id      uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    family       uuid NOT NULL,
    created_at   timestamptz(3) NOT NULL DEFAULT now(),
    expires_at   timestamptz(3) NOT NULL,
    revoked_at   timestamptz(3),
    replaced_by  bytea
);
CREATE INDEX refresh_tokens_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_user ON refresh_tokens (user_id);
CREATE INDEX refresh_tokens_expires ON refresh_tokens (expires_at);

-- Severity is a number because it is ordered: as text, DANGEROUS would sort below MISCHIEF.
-- 1 MISCHIEF, 2 SUSPICIOUS, 3 DANGEROUS, 4 UNFORGIVABLE.
CREATE TABLE incidents (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title          text NOT NULL CHECK (length(title) BETWEEN 1 AND 255 AND btrim(title) <> ''),
    description    text NOT NULL DEFAULT '' CHECK (length(description) <= 10000),
    severity       smallint NOT NULL DEFAULT 1 CHECK (severity BETWEEN 1 AND 4),
    location       text NOT NULL CHECK (location IN ('HOGWARTS', 'HOGSMEADE', 'KNOCKTURN_ALLEY', 'FORBIDDEN_FOREST',
                                                     'MINISTRY', 'AZKABAN', 'DIAGON_ALLEY', 'PLATFORM_9_3_4')),
    status         text NOT NULL DEFAULT 'OPEN' CHECK (status IN ('OPEN', 'IN_PROGRESS', 'RESOLVED', 'ARCHIVED')),
    reported_by    uuid NOT NULL REFERENCES users (id),
    reported_at    timestamptz(3) NOT NULL DEFAULT now(),
    updated_at     timestamptz(3) NOT NULL DEFAULT now(),
    resolved_at    timestamptz(3),
    resolved_by    uuid REFERENCES users (id),
    tags           text[] NOT NULL DEFAULT '{}' CHECK (cardinality(tags) <= 20),
    evidence_urls  text[] NOT NULL DEFAULT '{}' CHECK (cardinality(evidence_urls) <= 20),
    witness_count  integer NOT NULL DEFAULT 0 CHECK (witness_count >= 0),
    version        integer NOT NULL DEFAULT 1,
    deleted_at     timestamptz(3),
    search         tsvector GENERATED ALWAYS AS (
                       setweight(to_tsvector('simple', title), 'A')
                       || setweight(to_tsvector('simple', description), 'B')
                       || setweight(to_tsvector('simple', replace(location, '_', ' ')), 'C')
                   ) STORED,
    CONSTRAINT incidents_resolution CHECK (
        (status NOT IN ('RESOLVED', 'ARCHIVED')) OR (resolved_at IS NOT NULL AND resolved_by IS NOT NULL))
);
-- The list is always "not deleted, newest first", then narrowed.
CREATE INDEX incidents_newest ON incidents (reported_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX incidents_by_severity ON incidents (severity, reported_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX incidents_by_status ON incidents (status, reported_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX incidents_by_location ON incidents (location, reported_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX incidents_by_reporter ON incidents (reported_by, reported_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX incidents_search ON incidents USING gin (search);

-- Append-only: written in the transaction of the change, never updated.
CREATE TABLE incident_history (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id  bigint NOT NULL REFERENCES incidents (id),
    changed_by   uuid NOT NULL REFERENCES users (id),
    changed_at   timestamptz(3) NOT NULL DEFAULT now(),
    field        text NOT NULL,
    old_value    jsonb,
    new_value    jsonb,
    request_id   text NOT NULL
);
CREATE INDEX incident_history_incident ON incident_history (incident_id, id);

-- Kept 24 h: feeds WebSockets and their catch-up.
CREATE TABLE events (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type         text NOT NULL,
    incident_id  bigint NOT NULL,
    payload      jsonb NOT NULL,
    created_at   timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX events_created ON events (created_at);
