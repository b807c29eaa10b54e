//! What each command does: arguments become a request, a stage is called, and what it returns becomes text and JSON.

mod alike;
mod attribution;
mod audit;
mod dedup;
mod epoch;
mod exact;
mod export;
mod home;
mod keys;
mod model;
mod money;
mod notices;
mod preview;
mod proof;
mod quickstart;
mod report;
mod serve;
mod status;
mod submission;
mod submit;
mod trace;
mod train;
mod witness;
mod work;

use anyhow::Result;

use crate::args::attribution::Attribution;
use crate::args::epoch::Epoch;
use crate::args::home::Catalog;
use crate::args::keys::{Contributor, Key};
use crate::args::money::{Books, Dispute, Payout, Statement};
use crate::args::submit::Submission;
use crate::args::witness::Witness;
use crate::args::{Args, Command};
use crate::output::Output;
use crate::place::Place;

/// Carries out a command.
pub async fn run(args: Args) -> Result<Output> {
    let place = &Place { home: args.home().to_path_buf(), now: args.now.unwrap_or_else(crate::clock), dated: args.now };
    match args.command {
        Command::Quickstart(a) => quickstart::run(place, a).await,
        Command::Init(a) => home::init(place, a).await,
        Command::Contributor(Contributor::Add(a)) => keys::add(place, a).await,
        Command::Key(Key::New(a)) => keys::new(a),
        Command::Key(Key::Show(a)) => keys::show(place, a),
        Command::Key(Key::Import(a)) => keys::import(a),
        Command::Key(Key::Protect(a)) => keys::protect(a),
        Command::Key(Key::Rotate(a)) => keys::rotate(place, a).await,
        Command::Key(Key::Revoke(a)) => keys::revoke(place, a).await,
        Command::Epoch(Epoch::Open(a)) => epoch::open(place, a).await,
        Command::Epoch(Epoch::Close) => epoch::close(place).await,
        Command::Submit(a) => submit::submit(place, a).await,
        Command::Import(a) => submit::import(place, a).await,
        Command::Ingest(a) => epoch::ingest(place, a).await,
        Command::Submission(Submission::Show(a)) => submission::show(place, a).await,
        Command::Dedup(a) => dedup::run(a),
        Command::Train(a) => train::train(place, a).await,
        Command::Attribution(Attribution::Show(a)) => attribution::show(place, a),
        Command::Attribution(Attribution::Alike(a)) => alike::show(place, a),
        Command::Explain(a) => attribution::explain(place, a),
        Command::Generate(a) => model::generate(place, a),
        Command::Eval(a) => model::evaluate(place, a),
        Command::Export(a) => export::export(place, a),
        Command::Replay(a) => train::replay(place, a).await,
        Command::Reward(a) => money::statement::reward(place, a).await,
        Command::Status(a) => status::status(place, a),
        Command::Audit(a) => audit::audit(place, a),
        Command::Claim(a) => notices::claim(place, a).await,
        Command::Grant(a) => notices::grant(place, a).await,
        Command::Resolve(a) => notices::resolve(place, a).await,
        Command::Policy(a) => notices::policy(place, a).await,
        Command::Trace(a) => trace::trace(place, a),
        Command::Serve(a) => serve::run(place, a).await,
        Command::Withdraw(a) => notices::withdraw(place, a).await,
        Command::Prove(a) => proof::prove(place, a),
        Command::VerifyProof(a) => proof::verify(a),
        Command::Witness(Witness::Key(a)) => witness::key(a),
        Command::Witness(Witness::Change(a)) => witness::change(place, a).await,
        Command::Witness(Witness::Serve(a)) => witness::serve(a).await,
        Command::Witness(Witness::Cosign(a)) => witness::cosign(place, a),
        Command::Statement(Statement::Verify(a)) => money::statement::verify(place, a),
        Command::Payout(Payout::Propose(a)) => money::payouts::propose(place, a).await,
        Command::Payout(Payout::Approve(a)) => money::payouts::approve(place, a).await,
        Command::Payout(Payout::Export(a)) => money::payouts::export(place, a).await,
        Command::Payout(Payout::Reconcile(a)) => money::payouts::reconcile(place, a).await,
        Command::Payout(Payout::List) => money::payouts::list(place),
        Command::Dispute(Dispute::Open(a)) => money::disputes::open(place, a).await,
        Command::Dispute(Dispute::Resolve(a)) => money::disputes::resolve(place, a).await,
        Command::Books(Books::Close(a)) => money::disputes::close(place, a).await,
        Command::Books(Books::Show) => money::disputes::show(place),
        Command::Report(a) => report::report(place, a),
        Command::Catalog(Catalog::Rebuild) => home::rebuild(place).await,
        Command::Jobs(a) => work::jobs(place, a).await,
        Command::Worker(a) => work::worker(place, a).await,
        Command::Compact(a) => epoch::compact(place, a).await,
    }
}
