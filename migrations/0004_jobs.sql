-- Jobs again, with heartbeats, back-off and a list of those that nobody can do. Nothing is lost: a job is asked for again by who needs its
-- output. One job is one input to one content-addressed output. Times are milliseconds since 1970, by the database's clock, so that
-- workers' clocks do not matter.
drop table jobs;
create table jobs (
    id text primary key check (length(id) = 64), -- SHA-256 of kind and input
    kind text not null,
    input text not null, -- canonical JSON, which names objects by digest
    place bigint not null check (place >= 0), -- the order in which jobs are taken
    state text not null check (state in ('ready', 'leased', 'done', 'poisoned')),
    attempt bigint not null check (attempt >= 0), -- grows with every lease: an earlier attempt can end nothing
    failures bigint not null check (failures >= 0), -- errors and lost leases since it was asked for
    not_before bigint not null,
    worker text,
    lease_until bigint,
    started_at bigint,
    ended_at bigint,
    output text check (length(output) = 64), -- digest of an object
    error text,
    check ((state = 'leased') = (worker is not null and lease_until is not null)),
    check ((state = 'done') = (output is not null)),
    check (state <> 'poisoned' or error is not null),
    check (state in ('ready', 'poisoned') or started_at is not null)
);
create index jobs_to_take on jobs (state, not_before, place, id);
