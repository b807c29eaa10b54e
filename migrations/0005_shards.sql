-- Shards: ranges of a submission's documents. Those that nothing replaced are in use.
create table shards (
    log_index bigint primary key references entries (log_index),
    submission bigint not null references submissions (log_index),
    first_document bigint not null check (first_document >= 0),
    end_document bigint not null check (end_document > first_document),
    documents bigint not null check (documents >= 0 and documents <= end_document - first_document),
    tokens bigint not null check (tokens >= 0),
    replaced_by bigint references shards (log_index) check (replaced_by > log_index)
);
create index shards_by_submission on shards (submission, first_document);
