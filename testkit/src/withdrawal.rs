//! Withdrawals: documents that are not used any more, or whose texts are destroyed.

use std::collections::{BTreeMap, BTreeSet};

use corpus::objects::Class;
use corpus::shard::Shard as ShardFile;
use corpus::verdict::Verdict;
use corpus::{Digest, DocumentRef, EntryIndex, RunNumber, canonical, merkle};
use ledger::Entry;
use ledger::entry::{Shard, Withdrawal, WithdrawalEffect, WithdrawalKind};
use ledger::history::Logged;
use rules::bundles::{read_part, verdicts};
use rules::withdrawn::{Consequences, Thing, Withdrawn};

use crate::world::World;

impl World {
    /// A contributor takes documents of one submission back: for their licence, or with consent, which destroys their texts.
    pub fn withdraw(&mut self, documents: &[DocumentRef], kind: WithdrawalKind) -> EntryIndex {
        let submission = documents[0].submission;
        let contributor = self.state().submission(submission).expect("a submission").submission.entry.contributor;
        let list = self.list(documents);
        let before = Withdrawn::of(&self.archive).expect("lists of withdrawals");
        let withdrawal = Withdrawal { contributor, submission, kind, documents: documents.len() as u64, list, time: self.now };
        let at = self.append(withdrawal);
        let numbers: BTreeSet<u32> = documents.iter().map(|d| d.number).collect();
        for entry in self.effect(at, submission, &numbers, &before, kind) {
            self.append(entry);
        }
        // Destroyed once the log says so.
        let destroyed = Withdrawn::of(&self.archive).expect("lists of withdrawals").destroyed;
        destroyed.iter().for_each(|file| self.objects.remove(Class::Sealed, file));
        at
    }

    /// Smaller shards, and what the withdrawal did.
    fn effect(
        &self,
        at: EntryIndex,
        submission: EntryIndex,
        numbers: &BTreeSet<u32>,
        before: &Withdrawn,
        kind: WithdrawalKind,
    ) -> Vec<Entry> {
        let submitted = self.state().submission(submission).expect("a submission");
        let before = before.before(submitted, self.state().next_index());
        let accepted = match submitted.acceptance {
            None => 0,
            Some(_) => {
                let gone = |number: u32| numbers.contains(&number) && !before.contains(&number);
                let rows = verdicts(&self.objects, submitted).expect("verdicts").rows;
                rows.iter().filter(|r| r.verdict == Verdict::Accepted && gone(r.number)).count() as u64
            }
        };
        let mut entries: Vec<Entry> = Vec::new();
        let mut left: BTreeMap<EntryIndex, Option<Digest>> = BTreeMap::new();
        let mut destroyed = Vec::new();
        for Logged { index: old, entry } in submitted.live_shards() {
            let mut file = ShardFile::decode(&self.objects.bytes(Class::Sealed, &entry.file)).expect("a shard");
            file.documents.retain(|d| !numbers.contains(&d.document.number));
            if accepted == 0 || file.documents.len() as u64 == entry.rows {
                continue;
            }
            let smaller = Shard {
                file: self.objects.put(Class::Sealed, file.encode().expect("a shard")),
                rows: file.documents.len() as u64,
                tokens: file.tokens(),
                document_root: file.document_root(),
                replaces: Some(*old),
                ..entry.clone()
            };
            left.insert(*old, (smaller.rows > 0).then_some(smaller.document_root));
            entries.push(smaller.into());
        }
        let consent = kind == WithdrawalKind::Consent;
        let bundle = consent.then(|| self.redacted(submission, numbers, &mut destroyed));
        if consent {
            let live: BTreeSet<EntryIndex> = submitted.live_shards().iter().map(|s| s.index).filter(|at| !left.contains_key(at)).collect();
            let old = submitted.shards.iter().filter(|s| s.entry.rows > 0 && !live.contains(&s.index));
            destroyed.extend(old.map(|s| Thing { name: format!("shard of entry {}", s.index), digest: Some(s.entry.file) }));
        }
        let epoch = self.state().epoch_at(submission).expect("a submission lies in an epoch");
        let roots = epoch.shards_before(EntryIndex::MAX).into_iter().filter_map(|s| match left.get(&s.index) {
            Some(smaller) => *smaller,
            None => Some(s.entry.document_root),
        });
        let leaves: Vec<Digest> = roots.map(|root| merkle::leaf_hash(&root.0)).collect();
        let number = epoch.open.entry.epoch;
        let runs: Vec<RunNumber> =
            self.state().runs.iter().filter(|r| r.intent.entry.epoch == number && accepted > 0).map(|r| r.intent.entry.run).collect();
        let effect = WithdrawalEffect {
            withdrawal: at,
            bundle,
            accepted,
            runs: runs.len() as u64,
            consequences: self.objects.put(
                Class::Public,
                canonical::to_vec(&Consequences { version: 1, destroyed, remains: Vec::new(), runs }).expect("consequences"),
            ),
            corpus_root: merkle::root(&leaves),
            time: self.now,
        };
        entries.push(effect.into());
        entries
    }

    /// The list of a submission's bundles without some documents; bundles that others take the place of are destroyed.
    fn redacted(&self, submission: EntryIndex, numbers: &BTreeSet<u32>, destroyed: &mut Vec<Thing>) -> Digest {
        let submitted = self.state().submission(submission).expect("a submission");
        let mut parts = rules::parts::parts(&self.archive, submitted).expect("bundles");
        for part in parts.parts.iter_mut().filter(|p| numbers.range(p.first..p.end()).next().is_some()) {
            let bundle = read_part(&self.objects, part).expect("a bundle");
            destroyed.push(Thing { name: "bundle".into(), digest: Some(part.file) });
            part.file = self.objects.put(Class::Sealed, bundle.without(numbers).encode().expect("a bundle"));
        }
        self.objects.put(Class::Sealed, canonical::to_vec(&parts).expect("a list of bundles"))
    }
}
