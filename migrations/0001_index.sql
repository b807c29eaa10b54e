-- The index: a cache of log and objects, rebuilt by `assay index rebuild`. One dialect serves SQLite and Postgres.

-- Entries of the log as the index has applied them; gapless from 0.
create table entries (
    log_index bigint primary key check (log_index >= 0),
    kind text not null,
    digest text not null check (length(digest) = 64)
);

-- Submissions with the counts of their verdicts. Counts are documents, size is bytes of text.
create table submissions (
    log_index bigint primary key references entries (log_index),
    epoch bigint not null,
    contributor text not null,
    documents bigint not null check (documents > 0),
    size_bytes bigint not null check (size_bytes >= 0),
    licence text not null,
    accepted bigint check (accepted >= 0 and accepted <= documents),
    duplicates bigint check (duplicates >= 0 and duplicates <= documents),
    tokens bigint check (tokens >= 0)
);
create index submissions_by_contributor on submissions (contributor);

-- Transfers of the books. amount_minor: decimal text of 39 digits, in minor units, so that 128 bits compare
-- and are kept exactly on both databases.
create table transfers (
    log_index bigint not null references entries (log_index),
    line bigint not null check (line >= 0),
    debit text not null,
    credit text not null,
    currency text not null check (length(currency) = 3),
    amount_minor text not null check (length(amount_minor) = 39 and amount_minor > '000000000000000000000000000000000000000'),
    primary key (log_index, line),
    check (debit <> credit)
);
create index transfers_by_debit on transfers (debit);
create index transfers_by_credit on transfers (credit);

-- Jobs: one input to one content-addressed output. Times are seconds since 1970.
create table jobs (
    kind text not null,
    input text not null,
    state text not null check (state in ('ready', 'leased', 'done', 'failed')),
    attempt bigint not null check (attempt >= 0),
    worker text,
    lease_until bigint,
    output text,
    error text,
    primary key (kind, input),
    check ((state = 'leased') = (worker is not null and lease_until is not null)),
    check ((state = 'done') = (output is not null))
);
create index jobs_by_state on jobs (state, kind, input);
