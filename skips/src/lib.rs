//! What tests leave out for want of something, said aloud: for tests alone.
//!
//! A test that lacks something calls [`skip`]. The line goes to stderr past the test harness, which hides what a passing test prints,
//! and to a file that all test processes share: `skipped.tsv` in the target folder, or the one that `ASSAY_SKIPS` names. `.ci/run` and
//! `just test` empty the file first and print it at their end.
//!
//! It leaves to `.ci/run` what to do about a skip: that script fails when something was left out that it can install.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Something that tests use and that not every machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A C++ compiler, for CUDA kernels under emulation.
    Compiler,
    /// A device that runs CUDA kernels.
    CudaDevice,
    /// `git`, which makes repositories for readers.
    Git,
    /// An S3 server.
    Moto,
    /// The compiler of CUDA kernels.
    Nvrtc,
    /// A Postgres server.
    Postgres,
    /// Other programs that read exported datasets.
    Readers,
    /// `ssh-keygen`, which makes keys of another program.
    SshKeygen,
    /// `strace`, which makes calls of the system fail.
    Strace,
    /// `torch` and `transformers`.
    Transformers,
    /// The schema of ISO 20022.
    Xsd,
}

impl Need {
    /// The word for it in the file, which `.ci/run` knows.
    pub fn name(self) -> &'static str {
        match self {
            Need::Compiler => "compiler",
            Need::CudaDevice => "cuda-device",
            Need::Git => "git",
            Need::Moto => "moto",
            Need::Nvrtc => "nvrtc",
            Need::Postgres => "postgres",
            Need::Readers => "readers",
            Need::SshKeygen => "ssh-keygen",
            Need::Strace => "strace",
            Need::Transformers => "transformers",
            Need::Xsd => "xsd",
        }
    }

    /// How a machine gets it.
    pub fn how(self) -> &'static str {
        match self {
            Need::Compiler => "install a C++ compiler, or name one with CXX",
            Need::CudaDevice => "run on a machine with an NVIDIA device and its driver",
            Need::Git => "install git",
            Need::Moto => "ASSAY_MOTO=$(store/tests/fetch-moto)",
            Need::Nvrtc => "ASSAY_NVRTC=$(kernels/cuda/fetch-nvrtc)",
            Need::Postgres => "start Postgres on 127.0.0.1:5432 with user postgres, no password and a database test",
            Need::Readers => "ASSAY_READERS=$(cli/tests/fetch-readers)",
            Need::SshKeygen => "install the OpenSSH client",
            Need::Strace => "install strace",
            Need::Transformers => "install torch and transformers, and name the Python with ASSAY_PYTHON",
            Need::Xsd => "ASSAY_XSD=$(rails/tests/fetch-xsd)",
        }
    }
}

/// Records that `test` was left out, or the part of it that `test` names, because `need` is not there; `why` says how that was seen.
///
/// # Panics
///
/// If the file cannot be written: a skip that nobody can see is worse than a test that fails.
pub fn skip(need: Need, test: &str, why: impl std::fmt::Display) {
    // One line of four columns, whatever an error says.
    let why = why.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let line = format!("{}\t{test}\t{why}\t{}\n", need.name(), need.how());
    let file = file();
    append(&file, &line).unwrap_or_else(|e| panic!("skipped {test}, and cannot say so in {}: {e}", file.display()));
    // Written as a whole and directly: the harness keeps what macros print.
    let said = format!("SKIPPED {test}: {} is missing: {why} ({})\n", need.name(), need.how());
    let _ = std::io::stderr().write_all(said.as_bytes());
}

/// Adds a line that is not there yet. Lines of several processes do not mix: each is one write to a file that is appended to.
fn append(file: &Path, line: &str) -> std::io::Result<()> {
    if fs::read_to_string(file).is_ok_and(|text| text.split_inclusive('\n').any(|l| l == line)) {
        return Ok(());
    }
    OpenOptions::new().create(true).append(true).open(file)?.write_all(line.as_bytes())
}

/// The file that all test processes share.
fn file() -> PathBuf {
    if let Some(named) = std::env::var_os("ASSAY_SKIPS").filter(|name| !name.is_empty()) {
        return named.into();
    }
    let program = std::env::current_exe().expect("a test knows its program");
    beside(&program)
}

/// `skipped.tsv` in the target folder of a test program, which lies in `TARGET/release/deps`.
fn beside(program: &Path) -> PathBuf {
    let deps = program.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "deps"));
    let target = deps.and_then(|deps| deps.parent()?.parent());
    target.map_or_else(std::env::temp_dir, Path::to_path_buf).join("skipped.tsv")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_appended_once() {
        let file = std::env::temp_dir().join(format!("assay-skips-{}", std::process::id()));
        append(&file, "a\tb\n").unwrap();
        append(&file, "a\tb\tc\n").unwrap();
        append(&file, "a\tb\n").unwrap();
        let text = fs::read_to_string(&file).unwrap();
        fs::remove_file(&file).unwrap();
        assert_eq!(text, "a\tb\na\tb\tc\n");
    }

    #[test]
    fn the_file_is_in_the_target_folder() {
        assert_eq!(beside(Path::new("/x/target/release/deps/log-0f")), Path::new("/x/target/skipped.tsv"));
        assert_eq!(beside(Path::new("/x/target/other/release/deps/log-0f")), Path::new("/x/target/other/skipped.tsv"));
        assert_eq!(beside(Path::new("/x/log")), std::env::temp_dir().join("skipped.tsv"));
    }
}
