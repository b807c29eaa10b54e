//! Who hears how far a long computation got: nobody, unless a listener is given.

/// Hears what is done and what is worth knowing. Every method may be called from any thread.
pub trait Listener: Send + Sync {
    /// `count` of `what` will be done; it ends when the task is dropped.
    fn task(&self, _what: &'static str, _count: u64) -> Box<dyn Task> {
        Box::new(())
    }

    /// Something that somebody should know and that stops nothing.
    fn note(&self, _text: &str) {}
}

/// A task that is under way.
pub trait Task: Send + Sync {
    /// So many more are done.
    fn advance(&self, _by: u64) {}

    /// So many were done before it began.
    fn resume(&self, done: u64) {
        self.set(done);
    }

    /// So many are done in all.
    fn set(&self, _done: u64) {}

    /// What it comes to so far.
    fn say(&self, _text: String) {}
}

impl Task for () {}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Listener for Silent {}
