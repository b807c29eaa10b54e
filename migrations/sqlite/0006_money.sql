-- What is reserved until a later entry posts or voids it. Amounts stay decimal text of 39 digits, which keeps and compares 128 bits exactly.
alter table transfers add column phase text not null default 'posted' check (phase in ('posted', 'pending'));

-- How what an entry reserved ended: once, by one entry.
create table pending_ends (
    reserved_by bigint primary key references entries (log_index),
    ended_by bigint not null unique references entries (log_index) check (ended_by > reserved_by),
    outcome text not null check (outcome in ('posted', 'voided'))
);
create trigger pending_ends_keep before update on pending_ends begin select raise(abort, 'pending_ends are never changed'); end;
create trigger pending_ends_stay before delete on pending_ends begin select raise(abort, 'pending_ends are never deleted'); end;
