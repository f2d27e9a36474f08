-- What owners are told: a line of audit each, which says all of it.
CREATE TABLE notice (
    seq       BIGINT   NOT NULL,
    at        BIGINT   NOT NULL, -- as in its line
    next_try  BIGINT,            -- while its mail waits to be sent
    account   INTEGER  NOT NULL REFERENCES account ON DELETE CASCADE,
    more      INTEGER  NOT NULL, -- with how many others, where mail is 2
    failures  INTEGER  NOT NULL,
    kind      SMALLINT NOT NULL,
    mail      SMALLINT NOT NULL, -- 0 in another one's, 1 of its own, 2 with those that follow
    dismissed SMALLINT NOT NULL, -- 1: the owner has seen it
    PRIMARY KEY (account, seq)
);

CREATE INDEX notice_due ON notice (next_try) WHERE next_try IS NOT NULL;
