-- The last tree head that was signed, by the log's key: who signs puts its own in the place of exactly the one it knew, so that no two
-- sequencers and no restored copy can both go on. Used on Postgres alone: a database in the home would be restored with it.
-- size is the number of entries, note the signed note.
create table tree_heads (
    log text primary key,
    size bigint not null check (size >= 0),
    note text not null
);
