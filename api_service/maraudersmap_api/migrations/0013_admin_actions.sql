-- serves code from: 1
-- What administrators did to accounts with commands, written with the deed. Append-only; nothing of the service reads it.

CREATE TABLE admin_actions (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz(3) NOT NULL DEFAULT now(),
    operator  text NOT NULL,      -- user and host that the command ran as
    command   text NOT NULL,
    email     text NOT NULL,      -- the account; as text, so it outlives it
    details   jsonb NOT NULL      -- what was and what is: never a password, nor its hash
);
CREATE INDEX admin_actions_email ON admin_actions (email, id);
