-- What is reserved until a later entry posts or voids it, and codes of currencies that ISO 4217 does not have (`USDC`). Amounts are numbers
-- here, which keep 128 bits exactly.
alter table transfers add column phase text not null default 'posted' check (phase in ('posted', 'pending'));
alter table transfers alter column phase drop default;
alter table transfers drop constraint transfers_currency_check;
alter table transfers add constraint transfers_currency_check check (length(currency) between 3 and 12);
alter table transfers drop constraint transfers_amount_minor_check;
alter table transfers alter column amount_minor type numeric(39, 0) using amount_minor::numeric(39, 0);
alter table transfers add constraint transfers_amount_minor_check check (amount_minor > 0);

-- How what an entry reserved ended: once, by one entry.
create table pending_ends (
    reserved_by bigint primary key references entries (log_index),
    ended_by bigint not null unique references entries (log_index) check (ended_by > reserved_by),
    outcome text not null check (outcome in ('posted', 'voided'))
);
create trigger pending_ends_keep before update or delete on pending_ends for each row execute function keep_rows();
