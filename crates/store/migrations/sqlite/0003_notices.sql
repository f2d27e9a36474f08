-- What owners are told: lines of audit, which say all of it. Those of an account lie
-- together: each in a row of its own would take as much room as the password it is about.
CREATE TABLE notice (
    account  INTEGER PRIMARY KEY REFERENCES account ON DELETE CASCADE,
    next_try INTEGER, -- while a mail waits to be sent: when the first of them is due
    tray     BLOB NOT NULL -- packed: see notices.rs
) STRICT;

CREATE INDEX notice_due ON notice (next_try) WHERE next_try IS NOT NULL;
