//! The rebuildable database: submissions, the books and the job queue for who reads SQL. Commands that look read the log.
//!
//! SQLite by default, Postgres by URL, with the same tables and the same statements.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use corpus::{Digest, EntryIndex};
use ledger::Entry;
use ledger::books::Movement;
use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyPool, Row, SqlSafeStr};

use crate::error::StoreError;

/// Where a catalog is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogPlace {
    /// An SQLite file.
    File(PathBuf),
    /// A Postgres database.
    Url(String),
}

impl CatalogPlace {
    /// The place that a setting names: `sqlite:PATH` or a URL.
    pub fn of_url(text: &str) -> CatalogPlace {
        match text.strip_prefix("sqlite:") {
            Some(path) => CatalogPlace::File(PathBuf::from(path)),
            None => CatalogPlace::Url(text.to_string()),
        }
    }

    fn writing(&self) -> String {
        match self {
            CatalogPlace::File(path) => sqlite_url(path, "", "rwc"),
            CatalogPlace::Url(url) => url.clone(),
        }
    }
}

/// The URL under which an SQLite file is opened, whatever bytes its path has.
///
/// The driver takes one layer of percent encoding off and wants UTF-8 below it; SQLite takes off the other and wants bytes. `parameters`
/// are SQLite's.
///
/// Source: <https://www.sqlite.org/uri.html>.
fn sqlite_url(path: &Path, parameters: &str, mode: &str) -> String {
    let encode = |bytes: &[u8]| -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric();
        bytes.iter().map(|b| if plain(*b) { char::from(*b).to_string() } else { format!("%{b:02X}") }).collect()
    };
    let uri = format!("file:{}{parameters}", encode(path.as_os_str().as_bytes()));
    format!("sqlite:{}?mode={mode}", encode(uri.as_bytes()))
}

/// The catalog and the job queue of one home.
#[derive(Clone, Debug)]
pub struct Catalog {
    pub(crate) pool: AnyPool,
    pub(crate) postgres: bool,
}

/// A submission as `status` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmissionRow {
    /// Log index.
    pub log_index: i64,
    /// The contributor's id.
    pub contributor: String,
    /// SPDX expression.
    pub licence: String,
    /// Documents submitted.
    pub documents: i64,
    /// Accepted, once judged.
    pub accepted: Option<i64>,
    /// Duplicates of earlier documents, once judged.
    pub duplicates: Option<i64>,
    /// Tokens, once in a shard.
    pub tokens: Option<i64>,
}

/// An entry for the catalog.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Log index.
    pub index: EntryIndex,
    /// Digest of its bytes.
    pub digest: Digest,
    /// What it says.
    pub entry: Entry,
    /// What it moves in the books, if it moves something.
    pub movement: Option<Movement>,
}

async fn apply(tx: &mut sqlx::Transaction<'_, sqlx::Any>, applied: &Applied, currency: &str, postgres: bool) -> Result<(), StoreError> {
    let index = applied.index.0 as i64;
    sqlx::query("insert into entries (log_index, kind, digest) values ($1, $2, $3)")
        .bind(index)
        .bind(applied.entry.kind())
        .bind(applied.digest.to_string())
        .execute(&mut **tx)
        .await?;
    match &applied.entry {
        Entry::Submission(e) => {
            sqlx::query(
                "insert into submissions (log_index, epoch, contributor, documents, size_bytes, licence) values ($1, $2, $3, $4, $5, $6)",
            )
            .bind(index)
            .bind(i64::from(e.epoch))
            .bind(e.contributor.to_string())
            .bind(e.documents as i64)
            .bind(e.bytes as i64)
            .bind(&e.rights.license_to_use)
            .execute(&mut **tx)
            .await?;
        }
        Entry::Acceptance(e) => {
            let count = |codes: &[&str]| codes.iter().filter_map(|c| e.counts.get(*c)).sum::<u64>() as i64;
            sqlx::query("update submissions set accepted = $1, duplicates = $2 where log_index = $3")
                .bind(count(&["accepted"]))
                .bind(count(&["exact", "formatting-only", "near", "contained"]))
                .bind(e.submission.0 as i64)
                .execute(&mut **tx)
                .await?;
        }
        Entry::Shard(e) => {
            // Shards of several ranges add up; one that replaces another takes its place.
            sqlx::query("insert into shards (log_index, submission, first_document, end_document, documents, tokens, replaced_by) values ($1, $2, $3, $4, $5, $6, null)")
                .bind(index)
                .bind(e.submission.0 as i64)
                .bind(i64::from(e.first))
                .bind(i64::from(e.end))
                .bind(e.rows as i64)
                .bind(e.tokens as i64)
                .execute(&mut **tx)
                .await?;
            if let Some(old) = e.replaces {
                sqlx::query("update shards set replaced_by = $1 where log_index = $2")
                    .bind(index)
                    .bind(old.0 as i64)
                    .execute(&mut **tx)
                    .await?;
            }
            sqlx::query("update submissions set tokens = (select cast(sum(tokens) as bigint) from shards where submission = $1 and replaced_by is null) where log_index = $1")
                .bind(e.submission.0 as i64)
                .execute(&mut **tx)
                .await?;
        }
        _ => {}
    }
    let (transfers, phase) = match &applied.movement {
        Some(Movement::Post(transfers)) => (&transfers[..], "posted"),
        Some(Movement::Reserve(transfers)) => (&transfers[..], "pending"),
        Some(Movement::Confirm(at)) => return end(tx, at.0, index, "posted").await,
        Some(Movement::Void(at)) => return end(tx, at.0, index, "voided").await,
        None => return Ok(()),
    };
    // The two databases keep amounts each in the form in which it compares them exactly.
    let amount = if postgres { "cast(cast($6 as text) as numeric(39, 0))" } else { "$6" };
    let insert = format!(
        "insert into transfers (log_index, line, debit, credit, currency, amount_minor, phase) values ($1, $2, $3, $4, $5, {amount}, $7)"
    );
    for (line, transfer) in (0i64..).zip(transfers) {
        sqlx::query(sqlx::AssertSqlSafe(insert.as_str()))
            .bind(index)
            .bind(line)
            .bind(transfer.debit.to_string())
            .bind(transfer.credit.to_string())
            .bind(currency)
            .bind(to_sql(transfer.amount_minor))
            .bind(phase)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// Ends what entry `reserved_by` reserved.
async fn end(tx: &mut sqlx::Transaction<'_, sqlx::Any>, reserved_by: u64, ended_by: i64, outcome: &str) -> Result<(), StoreError> {
    sqlx::query("insert into pending_ends (reserved_by, ended_by, outcome) values ($1, $2, $3)")
        .bind(reserved_by as i64)
        .bind(ended_by)
        .bind(outcome)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn connect(url: &str, connections: u32) -> Result<AnyPool, StoreError> {
    Ok(AnyPoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(20)).connect(url).await?)
}

/// Amounts in 39 digits, which sort and compare as text.
fn to_sql(amount: i128) -> String {
    format!("{amount:039}")
}

/// The last of the migrations: the schema that this program reads.
const NEWEST_MIGRATION: i64 = 6;
/// Postgres' code for a table that is not there.
const UNDEFINED_TABLE: &str = "42P01";

impl Catalog {
    /// Reads the database without changing it; `None` if there is no file, or nothing in it yet. Another process may write it meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Sql`] if it cannot be reached.
    pub async fn look(place: &CatalogPlace) -> Result<Option<Catalog>, StoreError> {
        sqlx::any::install_default_drivers();
        let path = match place {
            CatalogPlace::Url(url) => {
                let catalog = Catalog { pool: connect(url, 1).await?, postgres: true };
                // A database that no writer has opened yet has no tables, and one that is being opened has some of them.
                let newest = sqlx::query("select max(version) from _sqlx_migrations where success").fetch_one(&catalog.pool).await;
                return match newest.and_then(|row| row.try_get::<Option<i64>, _>(0)) {
                    Ok(version) => Ok((version >= Some(NEWEST_MIGRATION)).then_some(catalog)),
                    Err(sqlx::Error::Database(e)) if e.code().as_deref() == Some(UNDEFINED_TABLE) => Ok(None),
                    Err(e) => Err(e.into()),
                };
            }
            CatalogPlace::File(path) if !path.exists() => return Ok(None),
            CatalogPlace::File(path) => path,
        };
        let mut ahead = path.as_os_str().to_owned();
        ahead.push("-wal");
        // A file that nobody writes is read without the two beside it, which SQLite would make. Where they are there and do not let
        // themselves be read, the file is read as it was at the last checkpoint.
        let shared = if Path::new(&ahead).exists() { connect(&sqlite_url(path, "?readonly_shm=1", "ro"), 1).await.ok() } else { None };
        if let Some(pool) = shared
            && sqlx::query("select count(*) from jobs").fetch_one(&pool).await.is_ok()
        {
            return Ok(Some(Catalog { pool, postgres: false }));
        }
        Ok(Some(Catalog { pool: connect(&sqlite_url(path, "?immutable=1", "ro"), 1).await?, postgres: false }))
    }

    /// Opens the database at `place` and migrates it.
    ///
    /// # Errors
    /// [`StoreError::Sql`] if it cannot be reached, [`StoreError::Migrate`] if its schema is another program's.
    pub async fn open(place: &CatalogPlace) -> Result<Catalog, StoreError> {
        sqlx::any::install_default_drivers();
        let postgres = matches!(place, CatalogPlace::Url(_));
        // SQLite has one writer; one connection makes its callers wait here instead of failing there.
        let pool = connect(&place.writing(), if postgres { 8 } else { 1 }).await?;
        if !postgres {
            sqlx::query("pragma journal_mode = wal").execute(&pool).await?;
            sqlx::query("pragma foreign_keys = on").execute(&pool).await?;
        }
        let (append_only, money) = if postgres {
            (include_str!("../../migrations/postgres/0002_append_only.sql"), include_str!("../../migrations/postgres/0006_money.sql"))
        } else {
            (include_str!("../../migrations/sqlite/0002_append_only.sql"), include_str!("../../migrations/sqlite/0006_money.sql"))
        };
        let migration = |version, description: &'static str, sql: &'static str| {
            Migration::new(version, Cow::Borrowed(description), MigrationType::Simple, sql.into_sql_str(), false)
        };
        let migrations = vec![
            migration(1, "index", include_str!("../../migrations/0001_index.sql")),
            migration(2, "append only", append_only),
            migration(3, "tree heads", include_str!("../../migrations/0003_tree_heads.sql")),
            migration(4, "jobs", include_str!("../../migrations/0004_jobs.sql")),
            migration(5, "shards", include_str!("../../migrations/0005_shards.sql")),
            migration(NEWEST_MIGRATION, "money", money),
        ];
        Migrator { migrations: Cow::Owned(migrations), ..Migrator::DEFAULT }.run(&pool).await?;
        Ok(Catalog { pool, postgres })
    }

    /// Whether other processes may use it too.
    pub fn is_shared(&self) -> bool {
        self.postgres
    }

    /// The last tree head that was signed with `log`'s key.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn tree_head(&self, log: &str) -> Result<Option<(u64, String)>, StoreError> {
        let row = sqlx::query("select size, note from tree_heads where log = $1").bind(log).fetch_optional(&self.pool).await?;
        Ok(row.map(|r| Ok::<_, sqlx::Error>((r.try_get::<i64, _>("size")? as u64, r.try_get("note")?))).transpose()?)
    }

    /// Puts a tree head in the place of the one of size `known`, or of none; returns whether that was still there.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn swap_tree_head(&self, log: &str, known: Option<u64>, size: u64, note: &str) -> Result<bool, StoreError> {
        let done = match known {
            None => {
                sqlx::query("insert into tree_heads (log, size, note) values ($1, $2, $3) on conflict do nothing")
                    .bind(log)
                    .bind(size as i64)
                    .bind(note)
                    .execute(&self.pool)
                    .await?
            }
            Some(known) => {
                sqlx::query("update tree_heads set size = $1, note = $2 where log = $3 and size = $4")
                    .bind(size as i64)
                    .bind(note)
                    .bind(log)
                    .bind(known as i64)
                    .execute(&self.pool)
                    .await?
            }
        };
        Ok(done.rows_affected() == 1)
    }

    /// Entries applied so far.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn size(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("select count(*) as n from entries").fetch_one(&self.pool).await?;
        Ok(row.try_get::<i64, _>("n")? as u64)
    }

    /// The last entry that the catalog knows, and the digest of its bytes.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn last(&self) -> Result<Option<(u64, String)>, StoreError> {
        let row = sqlx::query("select log_index, digest from entries order by log_index desc limit 1").fetch_optional(&self.pool).await?;
        Ok(row.map(|r| Ok::<_, sqlx::Error>((r.try_get::<i64, _>("log_index")? as u64, r.try_get("digest")?))).transpose()?)
    }

    /// The digests of all entries, in their order.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn digests(&self) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query("select digest from entries order by log_index").fetch_all(&self.pool).await?;
        Ok(rows.iter().map(|r| r.try_get("digest")).collect::<Result<_, _>>()?)
    }

    /// Applies entries in one transaction: a crash leaves the catalog before or after all of them.
    ///
    /// # Errors
    /// [`StoreError::Sql`], also for an entry that was applied before.
    pub async fn apply(&self, entries: &[Applied], currency: &str) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        for applied in entries {
            apply(&mut tx, applied, currency, self.postgres).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Submissions in the order of the log.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn submissions(&self) -> Result<Vec<SubmissionRow>, StoreError> {
        let read = |row: &AnyRow| -> Result<SubmissionRow, sqlx::Error> {
            Ok(SubmissionRow {
                log_index: row.try_get("log_index")?,
                contributor: row.try_get("contributor")?,
                licence: row.try_get("licence")?,
                documents: row.try_get("documents")?,
                accepted: row.try_get("accepted")?,
                duplicates: row.try_get("duplicates")?,
                tokens: row.try_get("tokens")?,
            })
        };
        let rows = sqlx::query(
            "select log_index, contributor, licence, documents, accepted, duplicates, tokens from submissions order by log_index",
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// Credits minus debits of `account`, in minor units of `currency`.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn balance(&self, account: &str, currency: &str) -> Result<i128, StoreError> {
        Ok(self.balances(currency).await?.into_iter().find(|(name, _)| name == account).map_or(0, |(_, b)| b))
    }

    /// Every account with credits minus debits that were posted; they sum to zero.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn balances(&self, currency: &str) -> Result<Vec<(String, i128)>, StoreError> {
        let select = format!(
            "select debit, credit, {} from transfers left join pending_ends on reserved_by = transfers.log_index \
             where currency = $1 and (phase = 'posted' or outcome = 'posted') order by transfers.log_index, line",
            self.amount()
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(select)).bind(currency).fetch_all(&self.pool).await?;
        let mut balances = std::collections::BTreeMap::<String, i128>::new();
        for row in rows {
            let amount: i128 = row.try_get::<String, _>(2)?.parse().map_err(|e| StoreError::Catalog(format!("an amount: {e}")))?;
            *balances.entry(row.try_get(0)?).or_default() -= amount;
            *balances.entry(row.try_get(1)?).or_default() += amount;
        }
        Ok(balances.into_iter().filter(|(_, balance)| *balance != 0).collect())
    }

    /// The expression for an amount as text of 39 digits.
    fn amount(&self) -> &'static str {
        if self.postgres { "lpad(cast(amount_minor as text), 39, '0')" } else { "amount_minor" }
    }

    /// Forgets everything that follows from the log, which brings it again. Jobs and the last signed tree head stay.
    ///
    /// # Errors
    /// [`StoreError::Sql`]. SQLite keeps its rows from being deleted; its file is put aside instead.
    pub async fn clear(&self) -> Result<(), StoreError> {
        sqlx::query("truncate pending_ends, transfers, shards, submissions, entries").execute(&self.pool).await?;
        Ok(())
    }

    /// Everything that follows from the log, as text, to compare two indexes.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn dump(&self) -> Result<String, StoreError> {
        let mut out = String::new();
        for row in sqlx::query("select log_index, kind, digest from entries order by log_index").fetch_all(&self.pool).await? {
            out += &format!("entry {} {} {}\n", row.try_get::<i64, _>(0)?, row.try_get::<String, _>(1)?, row.try_get::<String, _>(2)?);
        }
        for row in self.submissions().await? {
            out += &format!("{row:?}\n");
        }
        let shards = "select log_index, submission, first_document, end_document, documents, tokens, coalesce(replaced_by, -1) from shards order by log_index";
        for row in sqlx::query(shards).fetch_all(&self.pool).await? {
            let numbers: Vec<String> = (0..7).map(|i| Ok(row.try_get::<i64, _>(i)?.to_string())).collect::<Result<_, sqlx::Error>>()?;
            out += &format!("shard {}\n", numbers.join(" "));
        }
        let transfers =
            format!("select log_index, line, debit, credit, currency, phase, {} from transfers order by log_index, line", self.amount());
        for row in sqlx::query(sqlx::AssertSqlSafe(transfers)).fetch_all(&self.pool).await? {
            let (index, line) = (row.try_get::<i64, _>(0)?, row.try_get::<i64, _>(1)?);
            let texts: Vec<String> = (2..7).map(|i| row.try_get(i)).collect::<Result<_, _>>()?;
            out += &format!("transfer {index} {line} {}\n", texts.join(" "));
        }
        for row in sqlx::query("select reserved_by, ended_by, outcome from pending_ends order by reserved_by").fetch_all(&self.pool).await?
        {
            out += &format!("end {} {} {}\n", row.try_get::<i64, _>(0)?, row.try_get::<i64, _>(1)?, row.try_get::<String, _>(2)?);
        }
        Ok(out)
    }

    /// Closes the connections.
    pub async fn close(self) {
        self.pool.close().await;
    }
}
