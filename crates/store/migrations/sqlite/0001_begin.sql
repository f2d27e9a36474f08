-- Times are milliseconds since 1970. Rows refer to each other by small numbers
-- that never leave the database; what leaves it are the ids.

PRAGMA application_id = 0x506f7374; -- "Post"

CREATE TABLE account (
    no           INTEGER PRIMARY KEY,
    id           BLOB    NOT NULL UNIQUE,
    standing     INTEGER NOT NULL, -- 0 active, 1 suspended
    primary_hash TEXT,             -- PHC string
    primary_by   INTEGER NOT NULL, -- who chose it: 0 the owner, 1 an administrator
    seed         BLOB,             -- of the second factor, sealed
    seed_by      INTEGER NOT NULL, -- who chose it
    last_step    INTEGER NOT NULL,
    created      INTEGER NOT NULL,
    epoch        INTEGER NOT NULL
) STRICT;

-- Canonical logins and aliases in one table: a name has one owner.
CREATE TABLE login (
    name    TEXT    PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    place   INTEGER NOT NULL -- 0 the canonical one, then aliases in their order
) STRICT, WITHOUT ROWID;

CREATE INDEX login_account ON login (account, place);

CREATE TABLE recovery_code (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    digest  BLOB    NOT NULL,
    PRIMARY KEY (account, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE set_up (
    account INTEGER PRIMARY KEY REFERENCES account ON DELETE CASCADE,
    digest  BLOB    NOT NULL,
    expires INTEGER NOT NULL
) STRICT;

CREATE TABLE app_password (
    no         INTEGER PRIMARY KEY,
    id         BLOB    NOT NULL,
    account    INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    digest     BLOB    NOT NULL, -- its first 16 bytes
    label      TEXT    NOT NULL,
    app        BLOB    NOT NULL, -- packed: see line.rs
    scopes     BLOB    NOT NULL, -- with commas, packed
    networks   BLOB    NOT NULL, -- with commas, packed; empty: anywhere
    lock       INTEGER NOT NULL, -- 0 lock, 1 watch, 2 off
    created    INTEGER NOT NULL,
    use_by     INTEGER NOT NULL,
    expires    INTEGER,
    revoked    INTEGER
) STRICT;

CREATE UNIQUE INDEX app_password_id ON app_password (id);

-- Eight bytes find the row, which then compares all 16: an index over all of
-- them would hold every digest twice.
CREATE INDEX app_password_digest ON app_password (substr(digest, 1, 8));

-- With `revoked` behind it, those that count against the limit lie together.
CREATE INDEX app_password_account ON app_password (account, revoked);

CREATE TABLE door (
    no   INTEGER PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE
) STRICT;

CREATE TABLE app_password_use (
    app_password INTEGER NOT NULL REFERENCES app_password ON DELETE CASCADE,
    door         INTEGER NOT NULL REFERENCES door,
    first        INTEGER, -- of all uses, where it was here
    at           INTEGER NOT NULL, -- the last one
    source       BLOB    NOT NULL, -- 4 or 16 bytes of address
    PRIMARY KEY (app_password, door)
) STRICT, WITHOUT ROWID;

CREATE TABLE refusal (
    account      INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    app_password INTEGER NOT NULL, -- 0: none was found
    door         INTEGER NOT NULL REFERENCES door,
    reason       TEXT    NOT NULL,
    source       BLOB    NOT NULL,
    at           INTEGER NOT NULL,
    count        INTEGER NOT NULL,
    PRIMARY KEY (account, app_password, door, reason)
) STRICT, WITHOUT ROWID;

-- Logins that nobody has: as many rows as doors times reasons, whoever knocks.
CREATE TABLE stranger_refusal (
    door   INTEGER NOT NULL REFERENCES door,
    reason TEXT    NOT NULL,
    source BLOB    NOT NULL,
    at     INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (door, reason)
) STRICT, WITHOUT ROWID;

-- No reference to accounts: the past outlives them.
CREATE TABLE audit (
    seq  INTEGER PRIMARY KEY,
    line BLOB NOT NULL, -- its text, packed: see line.rs; `postern audit list` prints it
    seal BLOB NOT NULL
) STRICT;

-- The newest time on record, one row.
CREATE TABLE newest (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at  INTEGER NOT NULL
) STRICT;

-- How many records the file `revocations` beside the database has, and the last
-- of them, should a crash have kept them from it: see revocations.rs. One row.
CREATE TABLE revocations (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    records INTEGER NOT NULL,
    outbox  BLOB NOT NULL
) STRICT;
