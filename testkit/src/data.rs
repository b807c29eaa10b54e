//! Contributors, epochs, submissions, verdicts, shards and claims.

use std::collections::{BTreeMap, BTreeSet};

use corpus::bundle::{Bundle, Part, Parts, Submitted};
use corpus::canonical;
use corpus::licence::Purpose;
use corpus::objects::Class;
use corpus::outline::Outlines;
use corpus::verdict::VerdictTable;
use corpus::{ContributorId, Digest, DocumentRef, EntryIndex, VerdictRows};
use dedup::Judge;
use filters::Filters;
use ingest::{ShardOf, ShardingError, TextTokenizer, build_shard};
use ledger::Entry;
use ledger::entry::rights::LicenseStatement;
use ledger::entry::{
    Acceptance, Claim, ClaimOutcome, Commitment, Draw, EpochClose, EpochOpen, EvidenceKind, LicenseSource, Registration, Resolution,
    Reveal, Rights, Shard, Submission, Tokenizer, TokenizerOrigin, VerifiedBy,
};
use ledger::history::Logged;
use ledger::key::Algorithm;
use rules::bundles::{counts, pool_documents, read_part, verdicts};
use rules::listener::Silent;
use rules::policy::{Policy, pool_source};
use rules::seen::{Seen, by_part};
use rules::targets::draw_targets;
use rules::verdicts::{Clusters, JudgeParameters, Keeper, Opening, hit_salt, judge, outlines};
use rules::withdrawn::DocumentList;

use crate::prose::prose;
use crate::world::{World, key};

/// A document before it is committed to.
pub use corpus::bundle::Submitted as Document;

/// Tokens of the tokenizer that is trained on accepted texts.
const VOCABULARY: usize = 300;

/// So many documents of prose under a licence that permits everything; another seed gives other ones.
pub fn documents(seed: u64, count: u64) -> Vec<Document> {
    (0..count).map(|n| document(&format!("{n}.txt"), "MIT", prose(1000 * seed + n, 12))).collect()
}

/// A document with this text.
pub(crate) fn document(source: &str, licence: &str, text: String) -> Document {
    Submitted { source: source.into(), licence: licence.into(), text, answer_at: None, reservation: None }
}

/// The key that an epoch's documents are compared under.
fn dedup_key(epoch: u32) -> Digest {
    Digest::of(format!("dedup key {epoch}").as_bytes())
}

/// What salts of held-out hits come from.
const HITS: [u8; 32] = [5; 32];

/// Verdicts on an epoch, with what they rest on.
struct Judged {
    tables: Vec<VerdictTable>,
    openings: Vec<Opening>,
    parameters: JudgeParameters,
}

impl World {
    /// A pool of 100 EUR that follows two targets, ten days for disputes, and whatever the control documents say.
    pub fn policy() -> Policy {
        let target_weights = BTreeMap::from([("east".to_string(), 1), ("west".to_string(), 1)]);
        let mut policy = Policy { hold_days: 10, target_weights, ..Policy::new(10_000, "EUR", 2) };
        policy.pay.control_gap_ppm = 100_000_000;
        policy
    }

    /// The pool of held-out documents: two targets with two sources each.
    pub fn held_out() -> Vec<Document> {
        let of = |(target, name, seed)| document(&pool_source(target, name), "MIT", prose(seed, 60));
        [("east", "a.txt", 900_000), ("east", "b.txt", 900_001), ("west", "a.txt", 900_002), ("west", "b.txt", 900_003)].map(of).into()
    }

    /// Registers a contributor with a key of its own.
    pub fn register(&mut self, name: &str) -> ContributorId {
        self.register_as(name, None, false)
    }

    /// Registers a contributor that is paid where others with this payee are, or one that stands for what belongs to everybody.
    pub fn register_as(&mut self, name: &str, payee: Option<Digest>, commons: bool) -> ContributorId {
        let seed = u8::try_from(10 + self.contributors.len()).expect("a few contributors");
        let key = key(name, Algorithm::Ed25519, seed);
        let (public, contributor) = (key.public(), ContributorId::of_key(&key.public().to_bytes()));
        self.keys.push(key);
        self.contributors.insert(name.to_string(), contributor);
        self.append(Registration { contributor, key: public, terms: Digest::of(b"terms"), custodial: commons, payee, commons });
        contributor
    }

    /// Opens the next epoch under the policy of this world.
    pub fn open(&mut self) -> u32 {
        let epoch = self.state().epochs.len() as u32;
        let bundle = Bundle { secret: [6; 32], first: 0, documents: World::held_out(), redaction: None };
        let open = EpochOpen {
            epoch,
            policy: self.objects.put(Class::Public, canonical::to_vec(&self.policy).expect("a policy")),
            purpose: Purpose::Research,
            pool: self.objects.put(Class::Sealed, bundle.encode().expect("a bundle")),
            pool_root: bundle.root(),
            pool_documents: bundle.documents.len() as u64,
            dedup_key: Digest::of(&dedup_key(epoch).0),
            time: self.now,
        };
        self.append(open);
        epoch
    }

    /// The bundle that a contributor's documents are committed to in the open epoch.
    fn bundle(&self, name: &str, documents: &[Document]) -> Bundle {
        let epoch = self.state().epochs.len() as u32;
        Bundle::new(&Digest::of_parts(&[b"salts", name.as_bytes(), &epoch.to_be_bytes()]).0, 0, documents.to_vec())
    }

    fn epoch(&self) -> u32 {
        self.state().epochs.len() as u32 - 1
    }

    /// Commits to documents in the open epoch.
    pub fn commit(&mut self, name: &str, documents: &[Document]) -> EntryIndex {
        let root = self.bundle(name, documents).root();
        self.append(Commitment { epoch: self.epoch(), contributor: self.id(name), root, documents: documents.len() as u64 })
    }

    /// Submits documents that were committed to.
    pub fn submit_committed(&mut self, name: &str, documents: &[Document], commitment: EntryIndex) -> EntryIndex {
        let (bundle, contributor) = (self.bundle(name, documents), self.id(name));
        let file = self.objects.put(Class::Sealed, bundle.encode().expect("a bundle"));
        let parts = Parts::new(vec![Part { file, first: 0, documents: documents.len() as u32 }]);
        let known = &self.state().contributors[&contributor];
        let verified_by = if known.registration.entry.custodial { VerifiedBy::Importer } else { VerifiedBy::Contributor };
        let licence = &documents[0].licence;
        let said = LicenseStatement { source: LicenseSource::Declared, license: licence.clone(), digest: Digest::of(licence.as_bytes()) };
        let submission = Submission {
            epoch: self.epoch(),
            contributor,
            sequence: known.submissions,
            commitment,
            root: bundle.root(),
            documents: documents.len() as u64,
            bytes: bundle.text_bytes(),
            bundle: self.objects.put(Class::Sealed, canonical::to_vec(&parts).expect("a list of bundles")),
            unread: BTreeMap::new(),
            problems: None,
            origin: None,
            rights: Rights::of_license(licence, vec![said], verified_by),
            time: self.now,
        };
        self.append(submission)
    }

    /// Commits to documents and submits them.
    pub fn submit(&mut self, name: &str, documents: &[Document]) -> EntryIndex {
        let commitment = self.commit(name, documents);
        self.submit_committed(name, documents, commitment)
    }

    /// Closes the open epoch, and draws its seed and targets.
    pub fn close(&mut self) {
        let (epoch, submissions) = (self.epoch(), self.state().epochs.last().expect("an epoch").submissions.len() as u64);
        let at = self.append(EpochClose { epoch, submissions, time: self.now });
        let tree_head = self.head_at((at + 1).0).to_text();
        let seed = self.archive.draw_seed(&tree_head).expect("the witness has cosigned");
        let pool = self.archive.view(None).and_then(|view| view.pool()).expect("the pool");
        let targets = draw_targets(&pool_documents(&pool), &seed);
        let draw = Draw {
            epoch,
            tree_head,
            seed,
            targets: self.objects.put(Class::Public, canonical::to_vec(&targets).expect("targets")),
            pricing: targets.pricing.len() as u64,
            control: targets.control.len() as u64,
        };
        self.append(draw);
    }

    fn judged(&self, epoch: u32) -> rules::Result<Judged> {
        let archive = &self.archive;
        let view = archive.view(Some(epoch))?;
        let (parameters, seen, key) = (JudgeParameters::of(&view)?, Seen::by(&view)?, dedup_key(epoch).0);
        let options = parameters.options(&key);
        let mut keeper = Keeper::over(Judge::new(options.clone()), None, options);
        for documents in seen.kept_before()?.chunk_by(|a, b| a.submission == b.submission) {
            let s = archive.state.submission(documents[0].submission).expect("a submission of an earlier epoch");
            for (part, documents) in by_part(&rules::parts::parts(archive, s)?, documents) {
                let outlines = outlines(&read_part(&self.objects, part)?, &Filters::default());
                keeper.keep(documents.iter().map(|d| (*d, &outlines.documents[(d.number - part.first) as usize])))?;
            }
        }
        let outlined = |part: &Part| -> rules::Result<Outlines> { Ok(outlines(&read_part(&self.objects, part)?, &parameters.filters)) };
        let submissions = view.epoch.submissions.iter().map(|s| seen.prepare(s, outlined)).collect::<rules::Result<Vec<_>>>()?;
        let pool = outlines(&view.pool()?, &Filters::default()).documents;
        let salt = |d| hit_salt(&HITS, d);
        let (tables, openings) = judge(&mut keeper, &submissions, &pool, &key, &parameters, salt, &Silent)?;
        drop(submissions);
        let tables = tables.iter().map(VerdictRows::table).collect();
        Ok(Judged { tables, openings, parameters })
    }

    /// Judges all submissions of the last epoch.
    pub fn judge(&mut self) {
        let Judged { tables, parameters, .. } = self.judged(self.epoch()).expect("an epoch that is drawn");
        let parameters = self.objects.put(Class::Public, canonical::to_vec(&parameters).expect("parameters"));
        for table in tables {
            let acceptance = self.acceptance(&table, parameters);
            self.append(acceptance);
        }
    }

    /// The entry of a verdict table.
    pub fn acceptance(&self, table: &VerdictTable, parameters: Digest) -> Acceptance {
        let submitted = self.state().submission(table.submission).expect("a submission");
        let (accepted_root, rejected_root) = table.roots();
        let clusters = Clusters::of(table);
        Acceptance {
            submission: table.submission,
            verdicts: self.objects.put(Class::Public, table.encode().expect("a verdict table")),
            counts: counts(table, &submitted.submission.entry.unread),
            accepted_root,
            rejected_root,
            parameters,
            largest_cluster: clusters.largest,
            on_hold_for_review: Acceptance::is_to_be_reviewed(clusters.largest, table.rows.len() as u64),
            novel_words: clusters.novel_words,
        }
    }

    /// The verdicts on a submission, as the log has them.
    pub fn verdicts(&self, submission: EntryIndex) -> VerdictTable {
        verdicts(&self.objects, self.state().submission(submission).expect("a submission")).expect("its verdicts")
    }

    /// Trains the tokenizer, if there is none yet, and cuts accepted documents of the last epoch into one shard a submission.
    pub fn shard(&mut self) {
        if self.state().tokenizer.is_none() {
            self.tokenize();
        }
        let (tokenizer, text_tokenizer) = rules::tokenizer::read(&self.archive).expect("a tokenizer");
        let shards: Vec<Entry> = {
            let view = self.archive.view(None).expect("an epoch");
            let withdrawn = view.withdrawn().expect("lists of withdrawals");
            let left = view.epoch.submissions.iter().filter(|s| !s.is_sharded());
            left.map(|s| {
                let gone = withdrawn.before(s, self.state().next_index());
                let table = verdicts(&self.objects, s).expect("verdicts");
                let contributor = s.submission.entry.contributor;
                let of = ShardOf {
                    contributor,
                    submission: table.submission,
                    verdicts: &table.rows,
                    range: 0..table.rows.len() as u32,
                    withdrawn: &gone,
                    tokenizer,
                };
                self.shard_of(&of, s, &text_tokenizer).into()
            })
            .collect()
        };
        for shard in shards {
            self.append(shard);
        }
    }

    fn shard_of(&self, of: &ShardOf<'_>, s: &ledger::Submitted, tokenizer: &TextTokenizer) -> Shard {
        let parts = rules::parts::parts(&self.archive, s).expect("bundles").parts;
        let bundles = parts.iter().map(|p| Ok::<_, ShardingError>(read_part(&self.objects, p).expect("a bundle")));
        let shard = build_shard(of, bundles, tokenizer).expect("verdicts about these bundles");
        Shard {
            submission: s.submission.index,
            contributor: of.contributor,
            first: of.range.start,
            end: of.range.end,
            file: self.objects.put(Class::Sealed, shard.encode().expect("a shard")),
            rows: shard.documents.len() as u64,
            tokens: shard.tokens(),
            document_root: shard.document_root(),
            tokenizer: of.tokenizer,
            replaces: None,
        }
    }

    fn tokenize(&mut self) {
        let mut texts = Vec::new();
        for s in &self.state().epochs.last().expect("an epoch").submissions {
            for part in rules::parts::parts(&self.archive, s).expect("bundles").parts {
                texts.extend(read_part(&self.objects, &part).expect("a bundle").prepare().map(|p| p.text));
            }
        }
        let json = ingest::train(texts.iter().map(String::as_str), VOCABULARY).expect("a tokenizer of some texts");
        let vocabulary = TextTokenizer::from_json(&json).expect("what was just made").vocabulary() as u64;
        let tokenizer = self.objects.put(Class::Public, json);
        self.append(Tokenizer { tokenizer, vocabulary, origin: TokenizerOrigin::Trained });
    }

    /// Closes the open epoch, judges what was submitted and cuts it into shards.
    pub fn ingest(&mut self) {
        self.close();
        self.judge();
        self.shard();
    }

    /// Opens what had to stay closed until the settlement of an epoch.
    pub fn reveal(&mut self, epoch: u32) {
        let openings = self.judged(epoch).expect("an epoch that was judged").openings;
        let openings = self.objects.put(Class::Public, canonical::to_vec(&openings).expect("openings"));
        self.append(Reveal { epoch, dedup_key: dedup_key(epoch), openings });
    }

    /// A public list of documents.
    pub(crate) fn list(&self, documents: &[DocumentRef]) -> Digest {
        let list = DocumentList { documents: documents.iter().copied().collect::<BTreeSet<_>>().into_iter().collect() };
        self.objects.put(Class::Public, canonical::to_vec(&list).expect("a list of documents"))
    }

    /// A contributor says that documents of others are its own.
    pub fn claim(&mut self, name: &str, documents: &[DocumentRef]) -> EntryIndex {
        let claim = Claim {
            claimant: self.id(name),
            documents: documents.len() as u64,
            list: self.list(documents),
            evidence_kind: EvidenceKind::Contract,
            evidence: self.objects.put(Class::Sealed, b"a contract"),
            time: self.now,
        };
        self.append(claim)
    }

    /// Decides a claim.
    pub fn resolve_claim(&mut self, claim: EntryIndex, outcome: ClaimOutcome) {
        let reasons = self.objects.put(Class::Party, b"reasons");
        self.append(Resolution { claim, outcome, reasons, time: self.now });
    }

    /// The submissions of an epoch, in order.
    pub fn submissions(&self, epoch: u32) -> Vec<EntryIndex> {
        self.state().epochs[epoch as usize].submissions.iter().map(|s| s.submission.index).collect()
    }

    /// A contributor's first submission.
    ///
    /// # Panics
    /// If it has none.
    pub fn submission_of(&self, name: &str) -> EntryIndex {
        let id = self.id(name);
        let mut all = self.state().epochs.iter().flat_map(|e| &e.submissions).map(|s| &s.submission);
        let Logged { index, .. } = all.find(|s| s.entry.contributor == id).unwrap_or_else(|| panic!("{name} has submitted nothing"));
        *index
    }
}
