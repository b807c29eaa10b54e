//! `assay`: from a signed submission to a statement, and an audit of all of it.
//!
//! `args` is what people type, `commands` what is called for it and what it says, one file a group of commands each. The stages are in
//! `pipeline`, what operator and auditor both compute is in `rules`, the check of a home's files is in `audit`; here is what people see of
//! it: text, tables, pages, HTTP.

mod args;
mod audited;
mod commands;
mod failure;
mod http;
mod output;
mod place;
mod progress;
mod tables;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seconds since 1970 by the system's clock.
pub fn clock() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// The first interrupt lets the run end its step and save its state; the second ends the program.
async fn interrupts() {
    if tokio::signal::ctrl_c().await.is_ok() {
        pipeline::train::STOP.store(true, std::sync::atomic::Ordering::Relaxed);
        output::note("interrupted: the run saves its state after this step; once more ends it at once");
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    }
}

/// Arguments that are not understood may hold text that changes how other text looks; help does not.
fn refused(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return printed(error.print(), 0);
    }
    let (text, exit) = (error.to_string(), u8::try_from(error.exit_code()).unwrap_or(2));
    output::raw(&corpus::text::shown_lines(&text));
    if std::env::args_os().any(|arg| arg == "--json") {
        let command = args::Args::command_of(std::env::args_os());
        // In JSON the key says that it is an error.
        let text = text.trim_end();
        let object = output::error_json(&command, &anyhow::anyhow!(text.strip_prefix("error: ").unwrap_or(text).to_owned()), exit);
        return printed(output::print(&format!("{}\n", output::json_text(&object))), exit);
    }
    ExitCode::from(exit)
}

/// The exit code of a command that ended with `exit`, once its output is printed or could not be.
fn printed(result: std::io::Result<()>, exit: u8) -> ExitCode {
    match result {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            output::note(&format!("assay: standard output: {e}"));
            ExitCode::from(failure::Kind::Io as u8)
        }
        _ => ExitCode::from(exit),
    }
}

fn main() -> ExitCode {
    let args = match args::Args::read() {
        Ok(args) => args,
        Err(error) => return refused(&error),
    };
    pipeline::keys::passphrase_from(
        args.passphrase_file.clone(),
        Some(|prompt| rpassword::prompt_password(prompt).map(zeroize::Zeroizing::new)),
    );
    let (command, as_json) = (args.command.name(), args.json);
    progress::begin(std::time::Duration::from_secs(args.progress_every));
    if let Some(threads) = args.threads {
        // Fails only if the pool exists already, which it does not at the start of main.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    }
    let result = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(anyhow::Error::from).and_then(
        |runtime| {
            if matches!(args.command, args::Command::Train(_) | args::Command::Quickstart(_)) {
                runtime.spawn(interrupts());
            }
            runtime.block_on(commands::run(args))
        },
    );
    match result {
        Ok(output) => printed(output.print(command, as_json), output.exit),
        Err(error) => {
            let exit = failure::exit_code(&error);
            output::note(&format!("assay {command}: {error:#}"));
            if as_json {
                let text = output::json_text(&output::error_json(command, &error, exit));
                return printed(output::print(&format!("{text}\n")), exit);
            }
            ExitCode::from(exit)
        }
    }
}
