-- Entries and transfers are never changed; a correction is a new one.
create function keep_rows() returns trigger language plpgsql as $$ begin raise exception '% are never changed', tg_table_name; end $$;
create trigger entries_keep before update on entries for each row execute function keep_rows();
create trigger transfers_keep before update or delete on transfers for each row execute function keep_rows();
