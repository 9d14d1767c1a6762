-- serves code from: 1
-- Answers kept 24 h under the client's key, written in the transaction of what they answer.

CREATE TABLE idempotency_keys (
    user_id     uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    method      text NOT NULL,
    path        text NOT NULL,
    key         text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    body_hash   bytea NOT NULL,
    status      smallint,
    headers     jsonb,
    body        bytea,
    created_at  timestamptz(3) NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, method, path, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
