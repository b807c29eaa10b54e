//! Crafted Ed25519 cases: keys and signatures on which verifiers differ get the answer of `verify_strict`.
//!
//! Source: RFC 8032, section 5.1.7; Chalkias, Garillot, Nikolaenko: Taming the many EdDSAs (2020), section 5.

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::{Signature, SigningKey, Verifier, VerifyingKey};
use ledger::PublicKey;
use sha2::{Digest, Sha512};

const MESSAGE: &[u8] = b"a crafted case";

fn challenge(r: &[u8; 32], a: &[u8; 32], message: &[u8]) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&Sha512::new().chain_update(r).chain_update(a).chain_update(message).finalize().into())
}

fn signature(r: [u8; 32], s: [u8; 32]) -> [u8; 64] {
    [r, s].concat().try_into().unwrap()
}

/// Ours says what `verify_strict` says; returns it, with what lax verification says.
fn answers(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> (bool, bool) {
    let dalek = VerifyingKey::from_bytes(key);
    let signed = Signature::from_bytes(signature);
    let strict = dalek.as_ref().is_ok_and(|k| !k.is_weak() && k.verify_strict(message, &signed).is_ok());
    let lax = dalek.as_ref().is_ok_and(|k| k.verify(message, &signed).is_ok());
    let ours = PublicKey::from_bytes(key).is_ok_and(|k| k.verifies(message, signature));
    assert_eq!(ours, strict, "key {key:?}");
    (ours, lax)
}

#[test]
fn keys_of_small_order_are_refused_in_every_encoding() {
    for point in EIGHT_TORSION {
        let key = point.compress().to_bytes();
        assert!(PublicKey::from_bytes(&key).is_err(), "{key:?}");
        // S = 0 and R = the identity verify for such a key wherever the challenge is a multiple of its order.
        let zero = signature(EdwardsPoint::default().compress().to_bytes(), [0; 32]);
        assert!(!answers(&key, MESSAGE, &zero).0);
    }
    // y of p and p + 1 are 0 and 1 in another encoding, with either sign.
    for low in [0xed_u8, 0xee] {
        for high in [0x7f, 0xff] {
            let key: [u8; 32] = [&[low][..], &[0xff; 30], &[high]].concat().try_into().unwrap();
            assert!(PublicKey::from_bytes(&key).is_err(), "{key:?}");
        }
    }
}

#[test]
fn a_scalar_beyond_the_order_is_refused() {
    let key = SigningKey::from_bytes(&[7; 32]);
    let good = ed25519_dalek::Signer::sign(&key, MESSAGE).to_bytes();
    let public = key.verifying_key().to_bytes();
    assert_eq!(answers(&public, MESSAGE, &good), (true, true));
    // The order of the base point, little-endian: 2^252 + 27742317777372353535851937790883648493.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0x10,
    ];
    let mut malleable = good;
    let mut carry = 0u16;
    for (byte, l) in malleable[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(l) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(carry, 0);
    assert_eq!(answers(&public, MESSAGE, &malleable), (false, false));
}

#[test]
fn a_commitment_of_small_order_is_refused_however_it_is_written() {
    let key = SigningKey::from_bytes(&[9; 32]);
    let (secret, public) = (key.to_scalar(), key.verifying_key().to_bytes());
    let identity = EdwardsPoint::default().compress().to_bytes();
    let written_otherwise: [u8; 32] = [&[0xee][..], &[0xff; 30], &[0x7f]].concat().try_into().unwrap();
    for (r, lax) in [(identity, true), (written_otherwise, false)] {
        // With r = 0 the equation S B = R + k A holds for S = k a.
        let s = challenge(&r, &public, MESSAGE) * secret;
        assert_eq!(answers(&public, MESSAGE, &signature(r, s.to_bytes())), (false, lax));
    }
}

#[test]
fn every_commitment_of_small_order_is_refused_where_the_equation_holds() {
    let key = SigningKey::from_bytes(&[9; 32]);
    let (secret, public) = (key.to_scalar(), key.verifying_key().to_bytes());
    let mixed = key.verifying_key().to_edwards() + EIGHT_TORSION[1];
    let mixed_public = mixed.compress().to_bytes();
    let mut held = 0;
    for point in EIGHT_TORSION {
        let r = point.compress().to_bytes();
        // Under a key with a part of order eight there are challenges that cancel R; under a plain key none but the identity's.
        for (public, message) in [(public, 0u8), (public, 1)].into_iter().chain((0..64).map(|m| (mixed_public, m))) {
            let s = challenge(&r, &public, &[message]) * secret;
            let (strict, lax) = answers(&public, &[message], &signature(r, s.to_bytes()));
            assert!(!strict, "{r:?}");
            held += usize::from(lax);
        }
    }
    assert!(held > 16, "{held}");
}

#[test]
fn damaged_signatures_get_the_strict_answer() {
    let key = SigningKey::from_bytes(&[13; 32]);
    let public = key.verifying_key().to_bytes();
    let good = ed25519_dalek::Signer::sign(&key, MESSAGE).to_bytes();
    for bit in 0..512 {
        let mut damaged = good;
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(answers(&public, MESSAGE, &damaged), (false, false), "bit {bit}");
    }
}

#[test]
fn a_key_with_a_part_of_small_order_gets_the_strict_answer() {
    let secret = SigningKey::from_bytes(&[11; 32]).to_scalar();
    let public = (ED25519_BASEPOINT_POINT * secret + EIGHT_TORSION[1]).compress().to_bytes();
    let nonce = Scalar::from(12_345u64);
    let r = (ED25519_BASEPOINT_POINT * nonce).compress().to_bytes();
    let mut seen = [0; 2];
    for n in 0..64u8 {
        let s = nonce + challenge(&r, &public, &[n]) * secret;
        // Holds without the cofactor only where the challenge is a multiple of eight.
        let (strict, _) = answers(&public, &[n], &signature(r, s.to_bytes()));
        seen[usize::from(strict)] += 1;
    }
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
}
