-- Times are milliseconds since 1970. Rows refer to each other by small numbers
-- that never leave the database; what leaves it are the ids.

CREATE TABLE account (
    no           BIGINT   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           BYTEA    NOT NULL UNIQUE,
    standing     SMALLINT NOT NULL, -- 0 active, 1 suspended
    primary_hash TEXT,              -- PHC string
    primary_by   SMALLINT NOT NULL, -- who chose it: 0 the owner, 1 an administrator
    seed         BYTEA,             -- of the second factor, sealed
    seed_by      SMALLINT NOT NULL, -- who chose it
    last_step    BIGINT   NOT NULL,
    created      BIGINT   NOT NULL,
    epoch        BIGINT   NOT NULL
);

-- Canonical logins and aliases in one table: a name has one owner. Ordered by
-- their octets, as everywhere else in Postern.
CREATE TABLE login (
    name    TEXT    COLLATE "C" PRIMARY KEY,
    account BIGINT  NOT NULL REFERENCES account ON DELETE CASCADE,
    place   INTEGER NOT NULL -- 0 the canonical one, then aliases in their order
);

CREATE INDEX login_account ON login (account, place);

CREATE TABLE recovery_code (
    account BIGINT NOT NULL REFERENCES account ON DELETE CASCADE,
    digest  BYTEA  NOT NULL,
    PRIMARY KEY (account, digest)
);

CREATE TABLE set_up (
    account BIGINT PRIMARY KEY REFERENCES account ON DELETE CASCADE,
    digest  BYTEA  NOT NULL,
    expires BIGINT NOT NULL
);

-- Columns of a fixed width first: no room is lost between them.
CREATE TABLE app_password (
    no         BIGINT   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account    BIGINT   NOT NULL REFERENCES account ON DELETE CASCADE,
    created    BIGINT   NOT NULL,
    use_by     BIGINT   NOT NULL,
    expires    BIGINT,
    first_used BIGINT,
    revoked    BIGINT,
    lock       SMALLINT NOT NULL, -- 0 lock, 1 watch, 2 off
    id         BYTEA    NOT NULL,
    digest     BYTEA    NOT NULL,
    label      TEXT     NOT NULL,
    app        TEXT     NOT NULL,
    scopes     TEXT     NOT NULL, -- with commas
    networks   TEXT     NOT NULL  -- with commas, empty: anywhere
);

CREATE UNIQUE INDEX app_password_id ON app_password (id);

-- Eight bytes find the row, which then compares all 32: an index over all of
-- them would hold every digest twice.
CREATE INDEX app_password_digest ON app_password (substr(digest, 1, 8));

-- With `revoked` behind it, those that count against the limit lie together.
CREATE INDEX app_password_account ON app_password (account, revoked);

CREATE TABLE door (
    no   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT   NOT NULL UNIQUE
);

CREATE TABLE app_password_use (
    app_password BIGINT NOT NULL REFERENCES app_password ON DELETE CASCADE,
    door         BIGINT NOT NULL REFERENCES door,
    at           BIGINT NOT NULL,
    source       BYTEA  NOT NULL, -- 4 or 16 bytes of address
    PRIMARY KEY (app_password, door)
);

CREATE TABLE refusal (
    account      BIGINT NOT NULL REFERENCES account ON DELETE CASCADE,
    app_password BIGINT NOT NULL, -- 0: none was found
    door         BIGINT NOT NULL REFERENCES door,
    reason       TEXT   NOT NULL,
    source       BYTEA  NOT NULL,
    at           BIGINT NOT NULL,
    count        BIGINT NOT NULL,
    PRIMARY KEY (account, app_password, door, reason)
);

-- Logins that nobody has: as many rows as doors times reasons, whoever knocks.
CREATE TABLE stranger_refusal (
    door   BIGINT NOT NULL REFERENCES door,
    reason TEXT   NOT NULL,
    source BYTEA  NOT NULL,
    at     BIGINT NOT NULL,
    count  BIGINT NOT NULL,
    PRIMARY KEY (door, reason)
);

-- No reference to accounts: the past outlives them.
CREATE TABLE audit (
    seq  BIGINT PRIMARY KEY,
    line BYTEA  NOT NULL, -- its text, packed: see line.rs; `postern audit list` prints it
    seal BYTEA  NOT NULL
);

-- The newest time on record, one row.
CREATE TABLE newest (
    one SMALLINT PRIMARY KEY CHECK (one = 1),
    at  BIGINT   NOT NULL
);
