-- What is reserved until a later entry posts or voids it, and codes of currencies that ISO 4217 does not have (`USDC`). Amounts stay decimal
-- text of 39 digits, which keeps and compares 128 bits exactly. A check cannot be altered here: the table is made anew.
create table transfers_with_phase (
    log_index bigint not null references entries (log_index),
    line bigint not null check (line >= 0),
    debit text not null,
    credit text not null,
    currency text not null check (length(currency) between 3 and 12),
    amount_minor text not null check (length(amount_minor) = 39 and amount_minor > '000000000000000000000000000000000000000'),
    phase text not null check (phase in ('posted', 'pending')),
    primary key (log_index, line),
    check (debit <> credit)
);
insert into transfers_with_phase select log_index, line, debit, credit, currency, amount_minor, 'posted' from transfers;
drop table transfers;
alter table transfers_with_phase rename to transfers;
create index transfers_by_debit on transfers (debit);
create index transfers_by_credit on transfers (credit);
create trigger transfers_keep before update on transfers begin select raise(abort, 'transfers are never changed'); end;
create trigger transfers_stay before delete on transfers begin select raise(abort, 'transfers are never deleted'); end;

-- How what an entry reserved ended: once, by one entry.
create table pending_ends (
    reserved_by bigint primary key references entries (log_index),
    ended_by bigint not null unique references entries (log_index) check (ended_by > reserved_by),
    outcome text not null check (outcome in ('posted', 'voided'))
);
create trigger pending_ends_keep before update on pending_ends begin select raise(abort, 'pending_ends are never changed'); end;
create trigger pending_ends_stay before delete on pending_ends begin select raise(abort, 'pending_ends are never deleted'); end;
