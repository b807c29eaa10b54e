//! Jobs: leased rows. One job is one input to one content-addressed output, so doing it twice does no harm.

use sqlx::Row;

use crate::error::StoreError;
use crate::index::Index;

/// Seconds that a worker has before its job goes to another.
const LEASE_S: i64 = 600;
/// Attempts before a job is left alone.
const MAX_ATTEMPTS: i64 = 3;

/// A job that this worker holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What to do.
    pub kind: String,
    /// With what.
    pub input: String,
    /// Which attempt this is; a later one fences this one off.
    pub attempt: i64,
}

/// A job as the queue shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobState {
    /// What to do.
    pub kind: String,
    /// With what.
    pub input: String,
    /// `ready`, `leased`, `done` or `failed`.
    pub state: String,
    /// Attempts so far.
    pub attempt: i64,
    /// The result's name.
    pub output: Option<String>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

impl Index {
    /// Adds a job, unless it is there.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn enqueue(&self, kind: &str, input: &str) -> Result<(), StoreError> {
        sqlx::query("insert into jobs (kind, input, state, attempt) values ($1, $2, 'ready', 0) on conflict do nothing")
            .bind(kind)
            .bind(input)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Takes the first job of `kind` that is ready or whose lease has run out; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn lease(&self, kind: &str, worker: &str, now: u64) -> Result<Option<Job>, StoreError> {
        // Postgres lets many workers pass each other's rows; SQLite has one writer at a time anyway.
        let sql = if self.postgres {
            "update jobs set state = 'leased', worker = $1, lease_until = $2, attempt = attempt + 1 where kind = $3 and input = (select input from jobs where kind = $3 and (state = 'ready' or state = 'leased' and lease_until < $4) order by input limit 1 for update skip locked) returning input, attempt"
        } else {
            "update jobs set state = 'leased', worker = $1, lease_until = $2, attempt = attempt + 1 where kind = $3 and input = (select input from jobs where kind = $3 and (state = 'ready' or state = 'leased' and lease_until < $4) order by input limit 1) returning input, attempt"
        };
        let row = sqlx::query(sql).bind(worker).bind(now as i64 + LEASE_S).bind(kind).bind(now as i64).fetch_optional(&self.pool).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Job { kind: kind.to_string(), input: row.try_get("input")?, attempt: row.try_get("attempt")? }))
    }

    async fn end(&self, job: &Job, state: &str, output: Option<&str>, error: Option<&str>) -> Result<(), StoreError> {
        let done = sqlx::query("update jobs set state = $1, output = $2, error = $3, worker = null, lease_until = null where kind = $4 and input = $5 and attempt = $6 and state = 'leased'")
            .bind(state)
            .bind(output)
            .bind(error)
            .bind(&job.kind)
            .bind(&job.input)
            .bind(job.attempt)
            .execute(&self.pool)
            .await?;
        if done.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::Fenced { kind: job.kind.clone(), input: job.input.clone(), attempt: job.attempt })
        }
    }

    /// Records a job's output.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if the lease ran out and another attempt has the job.
    pub async fn complete(&self, job: &Job, output: &str) -> Result<(), StoreError> {
        self.end(job, "done", Some(output), None).await
    }

    /// Gives a job back; after three attempts it stays failed, with the reason.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] as [`Index::complete`].
    pub async fn fail(&self, job: &Job, error: &str) -> Result<(), StoreError> {
        self.end(job, if job.attempt >= MAX_ATTEMPTS { "failed" } else { "ready" }, None, Some(error)).await
    }

    /// Removes a job whose output is lost or that has failed for good, so that it can be added again.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn forget(&self, kind: &str, input: &str) -> Result<(), StoreError> {
        sqlx::query("delete from jobs where kind = $1 and input = $2 and state in ('done', 'failed')")
            .bind(kind)
            .bind(input)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Forgets every lease, for a home whose only process has just started: nobody else can hold one.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn release_all(&self) -> Result<(), StoreError> {
        sqlx::query("update jobs set state = 'ready', worker = null, lease_until = null where state = 'leased'")
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// All jobs of `kind`, in the order of their inputs.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn jobs(&self, kind: &str) -> Result<Vec<JobState>, StoreError> {
        let rows = sqlx::query("select kind, input, state, attempt, output, error from jobs where kind = $1 order by input")
            .bind(kind)
            .fetch_all(&self.pool)
            .await?;
        let read = |row: &sqlx::any::AnyRow| -> Result<JobState, sqlx::Error> {
            Ok(JobState {
                kind: row.try_get(0)?,
                input: row.try_get(1)?,
                state: row.try_get(2)?,
                attempt: row.try_get(3)?,
                output: row.try_get(4)?,
                error: row.try_get(5)?,
            })
        };
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }
}
