-- Entries and transfers are never changed; a correction is a new one.
create trigger entries_keep before update on entries begin select raise(abort, 'entries are never changed'); end;
create trigger transfers_keep before update on transfers begin select raise(abort, 'transfers are never changed'); end;
create trigger transfers_stay before delete on transfers begin select raise(abort, 'transfers are never deleted'); end;
