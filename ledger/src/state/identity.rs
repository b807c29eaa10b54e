//! Who signs what; registrations, keys, witnesses.

use corpus::{ContributorId, Digest, EntryIndex};

use super::{Signers, State, Violation, rule, some};
use crate::entry::{Entry, Genesis, HOME_FORMAT, Holder, KeyRevocation, KeyRotation, Registration, RevocationReason, WitnessChange};
use crate::history::{Contributor, HeldKey, Logged};
use crate::key::PublicKey;
use crate::note::{Note, Verifier};
use crate::tree_head::{TreeHead, draw_seed};
use crate::witness_policy::WitnessPolicy;

impl State {
    /// The key in force of `holder`.
    pub fn key_of(&self, holder: &Holder) -> Option<&HeldKey> {
        match holder {
            Holder::Operator => self.operator.as_ref(),
            Holder::Approver => self.approver.as_ref(),
            Holder::Contributor(id) => self.contributors.get(id).map(|c| &c.key),
        }
    }

    /// The key of `holder` that was in force before entry `index`.
    pub fn key_before(&self, holder: &Holder, index: EntryIndex) -> Option<PublicKey> {
        let past = self.past.iter().filter(|(h, _)| h == holder).map(|(_, held)| held);
        past.chain(self.key_of(holder)).rfind(|held| held.since < index).map(|held| held.key)
    }

    /// The witnesses of a tree head of `size`: those of the last entry before its own last one, or genesis'.
    pub fn witnesses_of(&self, size: u64) -> Option<&WitnessPolicy> {
        self.witnesses
            .iter()
            .rfind(|Logged { index: at, .. }| *at == EntryIndex(0) || at.0 + 1 < size)
            .map(|Logged { entry: policy, .. }| policy)
    }

    /// Whose key `key` is or was.
    pub fn holder(&self, key: &PublicKey) -> Option<Holder> {
        self.keys.get(&key.to_bytes()).copied().flatten()
    }

    fn key_of_mut(&mut self, holder: &Holder) -> Option<&mut HeldKey> {
        match holder {
            Holder::Operator => self.operator.as_mut(),
            Holder::Approver => self.approver.as_mut(),
            Holder::Contributor(id) => self.contributors.get_mut(id).map(|c| &mut c.key),
        }
    }

    fn held(&self, holder: &Holder) -> Result<&HeldKey, Violation> {
        Ok(match holder {
            Holder::Contributor(id) => {
                some!(self.next_index(), "contributor-known", self.key_of(holder), "contributor {id} is not registered")
            }
            _ => some!(self.next_index(), "genesis-first", self.key_of(holder), "an entry before genesis"),
        })
    }

    /// The key that signs for `holder` in the next entry.
    fn signing(&self, holder: &Holder) -> Result<PublicKey, Violation> {
        let held = self.held(holder)?;
        rule!(
            self.next_index(),
            "key-revoked",
            held.revoked.is_none(),
            "{holder}: its key {} was revoked by entry {}",
            held.key,
            held.revoked.unwrap_or(EntryIndex(0))
        );
        Ok(held.key)
    }

    pub(super) fn is_custodial(&self, holder: &Holder) -> bool {
        matches!(holder, Holder::Contributor(id) if self.contributors.get(id).is_some_and(|c| c.registration.entry.custodial))
    }

    /// Who signs for a contributor: it, and the operator too for what it imports under a key that it holds itself.
    fn contributing(&self, id: &ContributorId) -> Result<Signers, Violation> {
        let holder = Holder::Contributor(*id);
        let mut signers = vec![("contributor", self.signing(&holder)?)];
        if self.is_custodial(&holder) {
            signers.push(("operator", self.signing(&Holder::Operator)?));
        }
        Ok(signers)
    }

    /// The keys that have to sign `entry` if it comes next.
    ///
    /// # Errors
    /// [`Violation`] if one of them is not known, or revoked.
    pub fn signers(&self, entry: &Entry) -> Result<Signers, Violation> {
        if let Entry::Genesis(e) = entry {
            return Ok(vec![("operator", e.operator)]);
        }
        let operator = || Ok(("operator", self.signing(&Holder::Operator)?));
        match entry {
            Entry::Registration(e) => Ok(vec![operator()?, ("contributor", e.key)]),
            Entry::Commitment(e) => self.contributing(&e.contributor),
            Entry::Submission(e) => self.contributing(&e.contributor),
            Entry::Claim(e) => self.contributing(&e.claimant),
            Entry::Withdrawal(e) => self.contributing(&e.contributor),
            Entry::Grant(e) => Ok(vec![("contributor", self.signing(&Holder::Contributor(e.contributor))?)]),
            Entry::KeyRotation(e) if e.recovery => {
                // Operator and approver answer for each other's lost keys.
                let second = if e.holder == Holder::Operator { Holder::Approver } else { Holder::Operator };
                Ok(vec![("recovering", self.signing(&second)?), ("new key", e.key)])
            }
            Entry::KeyRotation(e) => Ok(vec![("old key", self.signing(&e.holder)?), ("new key", e.key)]),
            Entry::KeyRevocation(e) if e.by_holder => Ok(vec![("holder", self.signing(&e.holder)?)]),
            Entry::KeyRevocation(e) => {
                let second = if e.holder == Holder::Operator { Holder::Approver } else { Holder::Operator };
                Ok(vec![("revoking", self.signing(&second)?)])
            }
            Entry::PayoutApproval(_) => Ok(vec![("approver", self.signing(&Holder::Approver)?)]),
            _ => Ok(vec![operator()?]),
        }
    }

    pub(super) fn genesis(&mut self, index: EntryIndex, e: Genesis) -> Result<(), Violation> {
        rule!(index, "genesis-first", index == EntryIndex(0), "genesis, expected at 0 alone");
        rule!(
            index,
            "genesis-format",
            e.format == HOME_FORMAT,
            "a home of format {}, this program reads format {HOME_FORMAT}; use the version of Assay that made it",
            e.format
        );
        let named = Verifier::from_vkey(&e.log).is_ok_and(|v| v.name == e.origin);
        rule!(index, "genesis-keys", named, "log key {:?}, expected one named {:?}", e.log, e.origin);
        rule!(index, "genesis-keys", e.operator != e.approver, "operator and approver have one key, expected two");
        let policy = checked_policy(index, &e.log, |key| [e.operator, e.approver].contains(key), &e.witness_policy)?;
        let log = policy.log.public;
        rule!(index, "genesis-keys", log != e.operator && log != e.approver, "the log's key has another role, expected one of its own");
        rule!(
            index,
            "genesis-currency",
            (3..=12).contains(&e.currency.len()) && e.currency.bytes().all(|b| b.is_ascii_uppercase()) && e.currency_exponent <= 24,
            "currency {:?} with {} decimals, expected 3 to 12 capital letters and at most 24",
            e.currency,
            e.currency_exponent
        );
        self.keys.extend([(e.operator.to_bytes(), Some(Holder::Operator)), (e.approver.to_bytes(), Some(Holder::Approver))]);
        self.keys.extend(policy.witnesses.iter().map(|w| (w.verifier.public.to_bytes(), None)));
        self.keys.insert(policy.log.public.to_bytes(), None);
        (self.operator, self.approver) = (Some(HeldKey::new(e.operator, index)), Some(HeldKey::new(e.approver, index)));
        self.witnesses.push(Logged { index, entry: policy });
        self.genesis = Some(e);
        Ok(())
    }

    fn fresh(&self, index: EntryIndex, key: &PublicKey) -> Result<(), Violation> {
        rule!(index, "key-fresh", !self.keys.contains_key(&key.to_bytes()), "key {key} has or had a role already");
        Ok(())
    }

    pub(super) fn register(&mut self, index: EntryIndex, e: Registration) -> Result<(), Violation> {
        let id = ContributorId::of_key(&e.key.to_bytes());
        rule!(index, "contributor-id", e.contributor == id, "contributor {}, expected the id of its key", e.contributor);
        let known = self.contributors.contains_key(&e.contributor);
        rule!(index, "contributor-once", !known, "contributor {} is registered already", e.contributor);
        let unpaid = !e.commons || e.custodial && e.payee.is_none();
        rule!(index, "contributor-commons", unpaid, "contributor {}: commons are kept by the operator and have no payee", e.contributor);
        self.fresh(index, &e.key)?;
        self.keys.insert(e.key.to_bytes(), Some(Holder::Contributor(id)));
        let key = HeldKey::new(e.key, index);
        self.contributors.insert(e.contributor, Contributor { registration: Logged { index, entry: e }, key, submissions: 0 });
        Ok(())
    }

    pub(super) fn rotate(&mut self, index: EntryIndex, e: KeyRotation) -> Result<(), Violation> {
        let held = *self.held(&e.holder)?;
        rule!(index, "key-in-force", held.key == e.old_key, "{}: old key {}, the one in force is {}", e.holder, e.old_key, held.key);
        rule!(
            index,
            "key-recovery",
            e.recovery == held.revoked.is_some(),
            "{}: {} of a key that {} revoked",
            e.holder,
            if e.recovery { "recovery" } else { "rotation" },
            if held.revoked.is_some() { "is" } else { "is not" }
        );
        self.fresh(index, &e.key)?;
        self.keys.insert(e.key.to_bytes(), Some(e.holder));
        self.past.push((e.holder, held));
        *self.key_of_mut(&e.holder).expect("looked up above") = HeldKey::new(e.key, index);
        Ok(())
    }

    pub(super) fn revoke(&mut self, index: EntryIndex, e: KeyRevocation) -> Result<(), Violation> {
        let held = self.held(&e.holder)?;
        rule!(index, "key-in-force", held.key == e.key, "{}: key {}, the one in force is {}", e.holder, e.key, held.key);
        rule!(index, "key-revoked", held.revoked.is_none(), "{}: its key is revoked already", e.holder);
        let since = held.since;
        rule!(
            index,
            "revocation-disputed",
            e.disputed_from.is_none_or(|from| e.reason == RevocationReason::Compromised && (since..index).contains(&from)),
            "disputed from entry {}, expected a compromised key and an entry after it came into force",
            e.disputed_from.unwrap_or(EntryIndex(0))
        );
        self.key_of_mut(&e.holder).expect("looked up above").revoked = Some(index);
        Ok(())
    }

    pub(super) fn change_witnesses(&mut self, index: EntryIndex, e: WitnessChange) -> Result<(), Violation> {
        let genesis = some!(index, "genesis-first", self.genesis.as_ref(), "witnesses before genesis");
        let taken = |key: &PublicKey| self.holder(key).is_some();
        let policy = checked_policy(index, &genesis.log, taken, &e.witness_policy)?;
        self.keys.extend(policy.witnesses.iter().map(|w| (w.verifier.public.to_bytes(), None)));
        self.witnesses.push(Logged { index, entry: policy });
        Ok(())
    }

    /// Checks a cosigned tree head of exactly `size`; returns the seed that its cosignatures give.
    pub(super) fn cosigned(&self, index: EntryIndex, note: &str, size: u64) -> Result<Digest, Violation> {
        let violation = |text: String| Violation { rule: "cosigned-tree-head", index, text };
        let policy = self.witnesses_of(size).ok_or_else(|| violation("no genesis".into()))?;
        let note = Note::from_text(note).map_err(|e| violation(e.to_string()))?;
        let head = TreeHead::verify(&note, &policy.log).map_err(|e| violation(e.to_string()))?;
        if head.size != size {
            return Err(violation(format!("tree head of size {}, expected {size}", head.size)));
        }
        draw_seed(&note, policy).map_err(|e| violation(e.to_string()))
    }
}

/// A policy of this log whose witnesses are others than the log and than those who sign its entries.
fn checked_policy(index: EntryIndex, log: &str, taken: impl Fn(&PublicKey) -> bool, text: &str) -> Result<WitnessPolicy, Violation> {
    let policy = WitnessPolicy::from_text(text).map_err(|e| Violation { rule: "witness-policy", index, text: e.to_string() })?;
    rule!(index, "witness-policy", policy.log.to_vkey() == log, "a policy of {}, expected {log}", policy.log.to_vkey());
    rule!(index, "witness-policy", !policy.witnesses.is_empty(), "no witness, expected at least one");
    rule!(
        index,
        "witness-policy",
        !policy.is_quorum(&vec![false; policy.witnesses.len()]),
        "no cosignature is a quorum, expected at least one"
    );
    for witness in &policy.witnesses {
        let key = witness.verifier.public;
        rule!(
            index,
            "witness-policy",
            key != policy.log.public && !taken(&key),
            "witness {}: its key has another role already",
            witness.name
        );
    }
    Ok(policy)
}
