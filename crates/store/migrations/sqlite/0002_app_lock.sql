-- Forms of clients, each once: thousands of passwords share them.
CREATE TABLE signature (
    no   INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

-- The clients that an app password has accepted.
CREATE TABLE pin (
    app_password INTEGER NOT NULL REFERENCES app_password ON DELETE CASCADE,
    signature    INTEGER NOT NULL REFERENCES signature,
    since        INTEGER NOT NULL,
    source       BLOB NOT NULL, -- 4 or 16 bytes of address
    pinned_by    INTEGER NOT NULL, -- 0 the first use, 1 a drift, 2 the owner
    PRIMARY KEY (app_password, signature)
) STRICT, WITHOUT ROWID;

-- Clients that were refused as another app, until the owner has looked at them. Their
-- signatures are not among the others: whoever holds a password can make up many.
CREATE TABLE stranger (
    app_password INTEGER NOT NULL REFERENCES app_password ON DELETE CASCADE,
    signature    TEXT NOT NULL,
    door         INTEGER NOT NULL REFERENCES door,
    source       BLOB NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (app_password, signature)
) STRICT, WITHOUT ROWID;

-- Which accounts' passwords for an app of the catalogue have taken which new form of it.
CREATE TABLE form_taken (
    app       TEXT NOT NULL,
    signature INTEGER NOT NULL REFERENCES signature,
    account   INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    PRIMARY KEY (app, signature, account)
) STRICT, WITHOUT ROWID;

-- Those that enough have taken.
CREATE TABLE form (
    app       TEXT NOT NULL,
    signature INTEGER NOT NULL REFERENCES signature,
    since     INTEGER NOT NULL,
    PRIMARY KEY (app, signature)
) STRICT, WITHOUT ROWID;
