//! Jobs: leased rows. One job is one input to one content-addressed output, so doing it twice does no harm.
//!
//! A worker takes a row for a time, says from time to time that it is still at it, and records the output. Whoever takes a row after its time
//! ran out has a later attempt, and the earlier one can end nothing any more. Times are the database's.

use std::collections::BTreeMap;

use corpus::Digest;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::catalog::Catalog;
use crate::error::StoreError;

/// Errors and lost leases after which a job is left alone.
pub(crate) const MAX_FAILURES: i64 = 3;
/// Milliseconds that a job waits after its first failure; four times as long after each further one.
const BACK_OFF_MS: i64 = 1000;

/// A job that this worker holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Digest of kind and input.
    pub id: Digest,
    /// What to do.
    pub kind: String,
    /// With what.
    pub input: String,
    /// Which attempt this is; a later one fences this one off.
    pub attempt: i64,
}

/// A job as the queue shows it. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobState {
    /// Digest of kind and input.
    pub id: Digest,
    /// What to do.
    pub kind: String,
    /// With what.
    pub input: String,
    /// `ready`, `leased`, `done` or `poisoned`.
    pub state: String,
    /// Attempts so far.
    pub attempt: i64,
    /// Errors and lost leases so far.
    pub failures: i64,
    /// Who holds it.
    pub worker: Option<String>,
    /// When the last attempt began.
    pub started_at: Option<i64>,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// The result's name.
    pub output: Option<Digest>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// The id of a job.
pub fn id_of(kind: &str, input: &str) -> Digest {
    Digest::of_parts(&[b"assay job v1", &(kind.len() as u64).to_be_bytes(), kind.as_bytes(), input.as_bytes()])
}

const COLUMNS: &str = "id, kind, input, state, attempt, failures, worker, started_at, ended_at, output, error";

fn read(row: &AnyRow) -> Result<JobState, StoreError> {
    let digest = |text: String| text.parse().map_err(|e| StoreError::Catalog(format!("a job: {e}")));
    Ok(JobState {
        id: digest(row.try_get(0)?)?,
        kind: row.try_get(1)?,
        input: row.try_get(2)?,
        state: row.try_get(3)?,
        attempt: row.try_get(4)?,
        failures: row.try_get(5)?,
        worker: row.try_get(6)?,
        started_at: row.try_get(7)?,
        ended_at: row.try_get(8)?,
        output: row.try_get::<Option<String>, _>(9)?.map(digest).transpose()?,
        error: row.try_get(10)?,
    })
}

impl Catalog {
    /// The database's clock, in milliseconds since 1970, as an expression.
    fn clock(&self) -> &'static str {
        if self.postgres {
            "cast(extract(epoch from clock_timestamp()) * 1000 as bigint)"
        } else {
            "cast(unixepoch('subsec') * 1000 as integer)"
        }
    }

    /// The database's clock, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn now(&self) -> Result<i64, StoreError> {
        let sql = format!("select {} as now", self.clock());
        Ok(sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(&self.pool).await?.try_get("now")?)
    }

    /// Adds jobs of a kind, in this order, unless they are there; one that was poisoned may be tried again.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn enqueue(&self, kind: &str, inputs: &[String]) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        for (place, input) in (0i64..).zip(inputs) {
            let id = id_of(kind, input).to_string();
            sqlx::query("insert into jobs (id, kind, input, place, state, attempt, failures, not_before) values ($1, $2, $3, $4, 'ready', 0, 0, 0) on conflict do nothing")
                .bind(&id)
                .bind(kind)
                .bind(input)
                .bind(place)
                .execute(&mut *tx)
                .await?;
            sqlx::query("update jobs set state = 'ready', failures = 0, not_before = 0 where id = $1 and state = 'poisoned'")
                .bind(&id)
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Takes the first job of one of `kinds` that is ready, or whose lease has run out; `None` if there is none now.
    ///
    /// The lease lasts `lease_ms`; see [`Catalog::heartbeat`].
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn lease(&self, kinds: &[&str], worker: &str, lease_ms: i64) -> Result<Option<Job>, StoreError> {
        let now = self.clock();
        // Somebody who dies of a job three times would take every worker with it.
        let dead = format!(
            "update jobs set state = 'poisoned', failures = failures + 1, worker = null, lease_until = null, ended_at = {now}, error = 'its workers lost their leases' where state = 'leased' and lease_until < {now} and failures + 1 >= $1"
        );
        sqlx::query(sqlx::AssertSqlSafe(dead)).bind(MAX_FAILURES).execute(&self.pool).await?;
        // Postgres lets many workers pass each other's rows; SQLite has one writer at a time anyway.
        let skip = if self.postgres { "for update skip locked" } else { "" };
        let names: Vec<String> = (0..kinds.len()).map(|i| format!("${}", i + 3)).collect();
        let sql = format!(
            "update jobs set failures = failures + case when state = 'leased' then 1 else 0 end, state = 'leased', worker = $1, lease_until = {now} + $2, attempt = attempt + 1, started_at = {now}, ended_at = null where id = (select id from jobs where kind in ({}) and (state = 'ready' and not_before <= {now} or state = 'leased' and lease_until < {now}) order by place, id limit 1 {skip}) returning id, kind, input, attempt",
            names.join(", ")
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(worker).bind(lease_ms);
        for kind in kinds {
            query = query.bind(*kind);
        }
        let Some(row) = query.fetch_optional(&self.pool).await? else { return Ok(None) };
        let id = row.try_get::<String, _>("id")?.parse().map_err(|e| StoreError::Catalog(format!("a job: {e}")))?;
        Ok(Some(Job { id, kind: row.try_get("kind")?, input: row.try_get("input")?, attempt: row.try_get("attempt")? }))
    }

    /// Says that a job is still being done: its lease lasts `lease_ms` from now.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if the lease ran out and another attempt has the job.
    pub async fn heartbeat(&self, job: &Job, lease_ms: i64) -> Result<(), StoreError> {
        let sql = format!("update jobs set lease_until = {} + $1 where id = $2 and attempt = $3 and state = 'leased'", self.clock());
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(lease_ms).bind(job.id.to_string()).bind(job.attempt);
        fenced(job, query.execute(&self.pool).await?.rows_affected())
    }

    /// Records a job's output.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] as [`Catalog::heartbeat`].
    pub async fn complete(&self, job: &Job, output: &Digest) -> Result<(), StoreError> {
        let sql = format!(
            "update jobs set state = 'done', output = $1, error = null, worker = null, lease_until = null, ended_at = {} where id = $2 and attempt = $3 and state = 'leased'",
            self.clock()
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(output.to_string()).bind(job.id.to_string()).bind(job.attempt);
        fenced(job, query.execute(&self.pool).await?.rows_affected())
    }

    /// Gives a job back after an error: it waits, longer each time, and after three failures it stays poisoned, with the reason.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] as [`Catalog::heartbeat`].
    pub async fn fail(&self, job: &Job, error: &str) -> Result<(), StoreError> {
        let now = self.clock();
        let wait: String = (1..MAX_FAILURES).map(|n| format!("when {n} then {} ", BACK_OFF_MS << (2 * (n - 1)))).collect();
        let sql = format!(
            "update jobs set state = case when failures + 1 >= $1 then 'poisoned' else 'ready' end, failures = failures + 1, error = $2, worker = null, lease_until = null, ended_at = {now}, not_before = {now} + case failures + 1 {wait}else 0 end where id = $3 and attempt = $4 and state = 'leased'"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(MAX_FAILURES).bind(error).bind(job.id.to_string()).bind(job.attempt);
        fenced(job, query.execute(&self.pool).await?.rows_affected())
    }

    /// Gives a job back undone: another worker may take it at once.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] as [`Catalog::heartbeat`].
    pub async fn release(&self, job: &Job) -> Result<(), StoreError> {
        let sql = "update jobs set state = 'ready', worker = null, lease_until = null where id = $1 and attempt = $2 and state = 'leased'";
        let query = sqlx::query(sql).bind(job.id.to_string()).bind(job.attempt);
        fenced(job, query.execute(&self.pool).await?.rows_affected())
    }

    /// Removes jobs whose outputs are lost, so that they can be added again.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn forget(&self, ids: &[Digest]) -> Result<(), StoreError> {
        for id in ids {
            sqlx::query("delete from jobs where id = $1 and state = 'done'").bind(id.to_string()).execute(&self.pool).await?;
        }
        Ok(())
    }

    /// Makes poisoned jobs ready again; returns how many there were.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn retry(&self) -> Result<u64, StoreError> {
        let sql = "update jobs set state = 'ready', failures = 0, not_before = 0 where state = 'poisoned'";
        Ok(sqlx::query(sql).execute(&self.pool).await?.rows_affected())
    }

    /// Forgets every lease, for a database whose only process has just started: nobody else can hold one.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn release_all(&self) -> Result<(), StoreError> {
        sqlx::query("update jobs set state = 'ready', worker = null, lease_until = null where state = 'leased'")
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// All jobs, by kind and in the order in which they are taken.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn jobs(&self) -> Result<Vec<JobState>, StoreError> {
        let sql = format!("select {COLUMNS} from jobs order by kind, place, id");
        sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&self.pool).await?.iter().map(read).collect()
    }

    /// Jobs of a kind by id.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn jobs_of(&self, kind: &str) -> Result<BTreeMap<Digest, JobState>, StoreError> {
        let sql = format!("select {COLUMNS} from jobs where kind = $1");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(kind).fetch_all(&self.pool).await?;
        rows.iter().map(|row| read(row).map(|j| (j.id, j))).collect()
    }

    /// Jobs of a kind that are not ended.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn open_jobs(&self, kind: &str) -> Result<u64, StoreError> {
        let row =
            sqlx::query("select count(*) as n from jobs where kind = $1 and state in ('ready', 'leased')").bind(kind).fetch_one(&self.pool);
        Ok(row.await?.try_get::<i64, _>("n")? as u64)
    }
}

fn fenced(job: &Job, rows: u64) -> Result<(), StoreError> {
    if rows == 1 { Ok(()) } else { Err(StoreError::Fenced { kind: job.kind.clone(), input: job.input.clone(), attempt: job.attempt }) }
}
