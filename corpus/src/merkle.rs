//! Merkle trees over records: root, inclusion and consistency.
//!
//! `MTH({}) = SHA-256()`, `leaf = SHA-256(0x00 || record)`, `node = SHA-256(0x01 || left || right)`.
//! Source: RFC 6962, section 2.1; verification follows RFC 9162, sections 2.1.3.2 and 2.1.4.2.

use crate::digest::Digest;

/// The hash of a record.
pub fn leaf_hash(record: &[u8]) -> Digest {
    Digest::of_parts(&[&[0], record])
}

/// The hash of an inner node.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest::of_parts(&[&[1], &left.0, &right.0])
}

/// The largest power of two below `n`; `n` is at least 2.
fn split(n: usize) -> usize {
    let half = n.next_power_of_two() / 2;
    if half == n { n / 2 } else { half }
}

/// The root over leaf hashes.
pub fn root(leaves: &[Digest]) -> Digest {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.root()
}

/// The right edge of a tree that grows: one hash a level, enough for its root and for nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    /// Of full subtrees, the largest first.
    stack: Vec<Digest>,
    size: u64,
}

impl Frontier {
    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Digest) {
        self.stack.push(leaf);
        self.size += 1;
        for _ in 0..self.size.trailing_zeros() {
            let right = self.stack.pop().expect("a full subtree has two children");
            let left = self.stack.pop().expect("a full subtree has two children");
            self.stack.push(node_hash(&left, &right));
        }
    }

    /// The root over all leaves.
    pub fn root(&self) -> Digest {
        let right_to_left = self.stack.iter().rev().copied();
        right_to_left.reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(|| Digest::of(&[]))
    }
}

/// A tree that grows: the hashes of all its full subtrees, two a leaf in all.
///
/// Roots and proofs of any of its sizes take a number of steps that grows with the logarithm of the size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Of each level `l`, the hashes over leaves `[i 2^l, (i + 1) 2^l)`.
    levels: Vec<Vec<Digest>>,
}

impl Tree {
    /// The tree over leaf hashes.
    pub fn of(leaves: impl IntoIterator<Item = Digest>) -> Tree {
        let mut tree = Tree::default();
        leaves.into_iter().for_each(|leaf| tree.push(leaf));
        tree
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.level(0).len() as u64
    }

    /// Hashes of the full subtrees of `2^level` leaves, from the left.
    pub fn level(&self, level: usize) -> &[Digest] {
        self.levels.get(level).map_or(&[], Vec::as_slice)
    }

    /// Adds a leaf hash.
    pub fn push(&mut self, leaf: Digest) {
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[level];
            hashes.push(hash);
            if hashes.len() % 2 == 1 {
                return;
            }
            hash = node_hash(&hashes[hashes.len() - 2], &hash);
        }
    }

    /// Takes back all leaves from `size` on.
    pub fn truncate(&mut self, size: u64) {
        for (level, hashes) in self.levels.iter_mut().enumerate() {
            hashes.truncate((size >> level) as usize);
        }
    }

    /// Hash over leaves `[start, end)`, which is not empty and begins where a subtree of that size may.
    fn hash(&self, start: u64, end: u64) -> Digest {
        let width = end - start;
        if width.is_power_of_two() {
            let level = width.trailing_zeros();
            return self.levels[level as usize][(start >> level) as usize];
        }
        let middle = start + split(width as usize) as u64;
        node_hash(&self.hash(start, middle), &self.hash(middle, end))
    }

    /// The root over the first `size` leaves.
    ///
    /// # Panics
    /// If there are fewer leaves.
    pub fn root(&self, size: u64) -> Digest {
        assert!(size <= self.size(), "root of {size} leaves in a tree of {}", self.size());
        if size == 0 { Digest::of(&[]) } else { self.hash(0, size) }
    }

    /// The path from leaf `index` to the root over the first `size` leaves, lowest first.
    ///
    /// # Panics
    /// If `index` is not below `size`, or there are fewer leaves.
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Vec<Digest> {
        assert!(index < size && size <= self.size(), "inclusion proof of leaf {index} in a tree of {size}");
        let (mut start, mut end, mut path) = (0, size, Vec::new());
        while end - start > 1 {
            let middle = start + split((end - start) as usize) as u64;
            if index < middle {
                path.push(self.hash(middle, end));
                end = middle;
            } else {
                path.push(self.hash(start, middle));
                start = middle;
            }
        }
        path.reverse();
        path
    }

    /// The proof that the tree of the first `first` leaves is a prefix of the one of `size`.
    ///
    /// # Panics
    /// If `first` is not between 1 and `size`, or there are fewer leaves.
    pub fn consistency_proof(&self, first: u64, size: u64) -> Vec<Digest> {
        assert!((1..=size).contains(&first) && size <= self.size(), "consistency proof from {first} to {size}");
        let (mut start, mut end, mut path) = (0, size, Vec::new());
        // Whether the subtree in hand begins the old tree: its root is known to whoever asks.
        let mut whole = true;
        while first < end {
            let middle = start + split((end - start) as usize) as u64;
            if first <= middle {
                path.push(self.hash(middle, end));
                end = middle;
            } else {
                path.push(self.hash(start, middle));
                (start, whole) = (middle, false);
            }
        }
        if !whole {
            path.push(self.hash(start, end));
        }
        path.reverse();
        path
    }
}

/// Whether `path` leads from `leaf` at `index` to `root` in a tree of `size` leaves.
pub fn verify_inclusion(leaf: &Digest, index: u64, size: u64, path: &[Digest], root: &Digest) -> bool {
    if index >= size {
        return false;
    }
    let (mut fn_, mut sn, mut r) = (index, size - 1, *leaf);
    for p in path {
        if sn == 0 {
            return false;
        }
        if fn_ & 1 == 1 || fn_ == sn {
            r = node_hash(p, &r);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            r = node_hash(&r, p);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    sn == 0 && r == *root
}

/// Whether `path` shows that the tree of `second` leaves grew from that of `first` leaves.
pub fn verify_consistency(first: u64, second: u64, first_root: &Digest, second_root: &Digest, path: &[Digest]) -> bool {
    if first == 0 || first > second {
        return false;
    }
    if first == second {
        return path.is_empty() && first_root == second_root;
    }
    let whole;
    let path = if first.is_power_of_two() {
        whole = std::iter::once(*first_root).chain(path.iter().copied()).collect::<Vec<_>>();
        &whole
    } else {
        path
    };
    let Some((start, rest)) = path.split_first() else { return false };
    let (mut fn_, mut sn) = (first - 1, second - 1);
    while fn_ & 1 == 1 {
        fn_ >>= 1;
        sn >>= 1;
    }
    let (mut fr, mut sr) = (*start, *start);
    for c in rest {
        if sn == 0 {
            return false;
        }
        if fn_ & 1 == 1 || fn_ == sn {
            fr = node_hash(c, &fr);
            sr = node_hash(c, &sr);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            sr = node_hash(&sr, c);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    sn == 0 && fr == *first_root && sr == *second_root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(n: usize) -> Vec<Digest> {
        (0..n).map(|i| leaf_hash(&(i as u64).to_be_bytes())).collect()
    }

    /// The definition of section 2.1, word for word.
    fn definition(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => Digest::of(b""),
            [one] => *one,
            more => {
                let mut k = 1;
                while 2 * k < more.len() {
                    k *= 2;
                }
                node_hash(&definition(&more[..k]), &definition(&more[k..]))
            }
        }
    }

    #[test]
    fn roots_and_proofs_of_all_small_trees_verify_and_damaged_ones_do_not() {
        for n in 0..70 {
            let leaves = leaves(n);
            let tree_root = root(&leaves);
            let tree = Tree::of(leaves.iter().copied());
            assert_eq!(tree.root(n as u64), tree_root);
            let mut longer = Tree::of((0..n + 13).map(|i| leaf_hash(&(i as u64).to_be_bytes())));
            assert_eq!(longer.root(n as u64), tree_root);
            longer.truncate(n as u64);
            assert_eq!(longer.size(), tree.size());
            assert_eq!(tree_root, definition(&leaves), "{n} leaves");
            for (i, leaf) in leaves.iter().enumerate() {
                let mut path = tree.inclusion_proof(i as u64, n as u64);
                assert!(verify_inclusion(leaf, i as u64, n as u64, &path, &tree_root), "leaf {i} of {n}");
                assert!(!verify_inclusion(leaf, i as u64 + 1, n as u64, &path, &tree_root) || n == 1);
                if let Some(p) = path.first_mut() {
                    p.0[0] ^= 1;
                    assert!(!verify_inclusion(leaf, i as u64, n as u64, &path, &tree_root));
                }
                let first = i + 1;
                let first_root = root(&leaves[..first]);
                let mut path = tree.consistency_proof(first as u64, n as u64);
                assert!(verify_consistency(first as u64, n as u64, &first_root, &tree_root, &path), "{first} to {n}");
                if let Some(p) = path.last_mut() {
                    p.0[31] ^= 1;
                    assert!(!verify_consistency(first as u64, n as u64, &first_root, &tree_root, &path));
                }
            }
        }
    }

    #[test]
    fn known_roots_of_rfc_6962_test_data() {
        let records: [&[u8]; 3] = [b"", b"\x00", b"\x10"];
        let leaves: Vec<Digest> = records.iter().map(|r| leaf_hash(r)).collect();
        assert_eq!(root(&leaves[..1]).to_string(), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        assert_eq!(root(&leaves[..2]).to_string(), "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
        assert_eq!(root(&leaves[..3]).to_string(), "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77");
    }
}
