//! How far something got, on stderr: a bar where that is a terminal, else a line now and then, for whoever reads what was recorded.

use std::io::{self, IsTerminal, Stderr, Write};
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use corpus::text::{shown, shown_lines};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use rules::listener::{Listener, Task};

/// Says when a line is due; it knows no clock. Times are since the command began.
#[derive(Clone, Copy, Debug)]
struct Pace {
    every: Duration,
    next: Duration,
}

impl Pace {
    /// The first line is due after `every`, so that short commands say nothing.
    fn new(every: Duration) -> Pace {
        Pace { every, next: every }
    }

    /// Whether a line is due at `now`; if so, the next one is due `every` later.
    fn is_due(&mut self, now: Duration) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + self.every;
        }
        due
    }
}

/// A task that is under way.
struct Under {
    id: u64,
    what: &'static str,
    /// 0 where nobody knows.
    count: u64,
    done: u64,
    says: String,
}

impl Under {
    /// `entries: 1200 of 5000 (24 %)`.
    fn line(&self) -> String {
        let Under { what, count, done, says, .. } = self;
        let far = match (*count, *done) {
            (0, 0) => "begun".to_string(),
            (0, done) => format!("{done} so far"),
            (count, done) => format!("{done} of {count} ({} %)", u128::from(done) * 100 / u128::from(count)),
        };
        if says.is_empty() { format!("{what}: {far}") } else { format!("{what}: {far}, {says}") }
    }
}

/// Lines about tasks, one at most each time that it is due: about the task that began last.
struct Lines<W> {
    pace: Pace,
    under: Vec<Under>,
    begun: u64,
    out: W,
}

impl<W: Write> Lines<W> {
    fn new(every: Duration, out: W) -> Lines<W> {
        Lines { pace: Pace::new(every), under: Vec::new(), begun: 0, out }
    }

    fn begin(&mut self, what: &'static str, count: u64) -> u64 {
        self.begun += 1;
        self.under.push(Under { id: self.begun, what, count, done: 0, says: String::new() });
        self.begun
    }

    fn change(&mut self, id: u64, now: Duration, change: impl FnOnce(&mut Under)) {
        if let Some(task) = self.under.iter_mut().find(|t| t.id == id) {
            change(task);
        }
        self.tick(now);
    }

    fn end(&mut self, id: u64) {
        self.under.retain(|t| t.id != id);
    }

    fn tick(&mut self, now: Duration) {
        if let Some(task) = self.under.last()
            && self.pace.is_due(now)
        {
            // As far as stderr takes it: there is nowhere else to say that it does not.
            let _ = writeln!(self.out, "{}", shown(&task.line()));
        }
    }
}

/// Seconds between two lines, unless somebody asks for others.
pub const EVERY_SECONDS: u64 = 10;

static EVERY: OnceLock<Duration> = OnceLock::new();
static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);
static LINES: LazyLock<Mutex<Lines<Stderr>>> = LazyLock::new(|| {
    let every = *EVERY.get_or_init(|| Duration::from_secs(EVERY_SECONDS));
    // One step of a task may take longer than a line waits.
    if !every.is_zero() {
        let ticks = move || {
            loop {
                std::thread::sleep(every);
                lines().tick(BEGUN.elapsed());
            }
        };
        drop(std::thread::Builder::new().name("progress".into()).spawn(ticks));
    }
    Mutex::new(Lines::new(every, io::stderr()))
});

fn lines() -> MutexGuard<'static, Lines<Stderr>> {
    // What a thread that panicked left is good enough for a line.
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The command begins: lines are `every` so long, where stderr is no terminal; zero is a line for every change.
pub fn begin(every: Duration) {
    let _ = EVERY.set(every);
    LazyLock::force(&BEGUN);
}

/// Writes to stderr beside bars.
pub fn beside(write: impl FnOnce()) {
    BARS.suspend(write);
}

/// Shows progress on stderr.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bars;

struct Bar(ProgressBar);

impl Bar {
    /// With what is done, the rate and, where the end is known, the time left.
    fn new(what: &'static str, count: u64) -> Bar {
        let (bar, template) = match count {
            0 => (ProgressBar::new_spinner(), format!("{{spinner}} {what} {{pos}}  {{msg}}")),
            _ => (ProgressBar::new(count), format!("{what} {{bar:30}} {{pos}}/{{len}}  {{msg}}  {{per_sec}}, {{eta}} left")),
        };
        Bar(BARS.add(bar.with_style(ProgressStyle::with_template(&template).expect("a valid template"))))
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        BARS.remove(&self.0);
    }
}

impl Task for Bar {
    fn advance(&self, by: u64) {
        self.0.inc(by);
    }

    fn resume(&self, done: u64) {
        self.0.set_position(done);
        self.0.reset_eta();
    }

    fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    fn say(&self, text: String) {
        self.0.set_message(text);
        self.0.tick();
    }
}

/// A task among the lines, by its number.
struct Line(u64);

impl Line {
    fn change(&self, change: impl FnOnce(&mut Under)) {
        lines().change(self.0, BEGUN.elapsed(), change);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        lines().end(self.0);
    }
}

impl Task for Line {
    fn advance(&self, by: u64) {
        self.change(|t| t.done = t.done.saturating_add(by));
    }

    fn set(&self, done: u64) {
        self.change(|t| t.done = done);
    }

    fn say(&self, text: String) {
        self.change(|t| t.says = text);
    }
}

impl Listener for Bars {
    fn task(&self, what: &'static str, count: u64) -> Box<dyn Task> {
        if io::stderr().is_terminal() { Box::new(Bar::new(what, count)) } else { Box::new(Line(lines().begin(what, count))) }
    }

    fn note(&self, text: &str) {
        beside(|| drop(writeln!(io::stderr(), "{}", shown_lines(text))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_line_is_due_after_the_pause_and_the_next_one_a_pause_later() {
        let mut pace = Pace::new(SECOND * 10);
        let due: Vec<u32> = (0..45).filter(|s| pace.is_due(SECOND * *s)).collect();
        assert_eq!(due, [10, 20, 30, 40]);
    }

    #[test]
    fn a_line_that_came_late_moves_the_next_one() {
        let mut pace = Pace::new(SECOND * 10);
        assert!(pace.is_due(SECOND * 37));
        assert!(!pace.is_due(SECOND * 46));
        assert!(pace.is_due(SECOND * 47));
    }

    #[test]
    fn short_tasks_share_one_pause() {
        let mut lines = Lines::new(SECOND * 10, Vec::new());
        for second in 0..25 {
            let id = lines.begin("entries", 4);
            lines.change(id, SECOND * second, |t| t.done = 3);
            lines.end(id);
        }
        assert_eq!(String::from_utf8(lines.out).unwrap(), "entries: 3 of 4 (75 %)\n".repeat(2));
    }

    #[test]
    fn the_task_that_began_last_is_the_one_that_is_told_of() {
        let mut lines = Lines::new(SECOND, Vec::new());
        let outer = lines.begin("runs", 2);
        let inner = lines.begin("steps", 0);
        lines.tick(SECOND);
        lines.change(inner, SECOND * 2, |t| t.done = 7);
        lines.change(inner, SECOND * 3, |t| t.says = "loss 3.1".into());
        lines.end(inner);
        lines.change(outer, SECOND * 4, |t| t.done = 1);
        lines.end(outer);
        lines.tick(SECOND * 5);
        let expected = "steps: begun\nsteps: 7 so far\nsteps: 7 so far, loss 3.1\nruns: 1 of 2 (50 %)\n";
        assert_eq!(String::from_utf8(lines.out).unwrap(), expected);
    }

    #[test]
    fn what_a_task_says_cannot_steer_a_terminal() {
        let mut lines = Lines::new(Duration::ZERO, Vec::new());
        let id = lines.begin("documents", 0);
        lines.change(id, SECOND, |t| t.says = "a\u{1b}[2Jb\nc".into());
        let text = String::from_utf8(lines.out).unwrap();
        assert!(text.ends_with('\n') && !text.trim_end().contains(char::is_control), "{text:?}");
    }
}
