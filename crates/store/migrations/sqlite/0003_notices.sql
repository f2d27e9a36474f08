-- What owners are told: a line of audit each, which says all of it.
CREATE TABLE notice (
    account   INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    seq       INTEGER NOT NULL,
    kind      INTEGER NOT NULL,
    at        INTEGER NOT NULL, -- as in its line
    mail      INTEGER NOT NULL, -- 0 in another one's, 1 of its own, 2 with those that follow
    more      INTEGER NOT NULL, -- how many these are
    failures  INTEGER NOT NULL,
    next_try  INTEGER,          -- while its mail waits to be sent
    dismissed INTEGER NOT NULL, -- 1: the owner has seen it
    PRIMARY KEY (account, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX notice_due ON notice (next_try) WHERE next_try IS NOT NULL;
