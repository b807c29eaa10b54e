//! Kept documents by band key, in memory.
//!
//! A key of a band takes [`LIMIT`] documents; those that come later go to its refinements, whose keys cover more slots, so that a template of
//! thousands is not compared one by one. Where a document goes depends on those before it alone.

/// Documents under a key of a band before it is refined.
pub const LIMIT: usize = 16;

const NONE: u32 = u32::MAX;
/// Parts of a table, by key: each grows by itself, so that growing copies little at a time.
const SHARDS: usize = 256;

#[derive(Clone, Copy)]
struct Entry {
    /// 48 bits of key, 8 of band, 8 of count.
    tag: u64,
    head: u32,
    tail: u32,
}

const FREE: Entry = Entry { tag: 0, head: NONE, tail: NONE };

#[derive(Default)]
struct Shard {
    entries: Vec<Entry>,
    used: usize,
}

/// Open addressing in parts.
pub struct Bands {
    shards: Vec<Shard>,
    /// The next document of the same band, by document and band number.
    next: Vec<u32>,
    bands: usize,
    first: u32,
}

#[inline]
fn tag(band: u8, key: u64) -> u64 {
    key << 16 | u64::from(band) << 8
}

#[inline]
fn place(band: u8, key: u64) -> (usize, usize) {
    let spread = (key ^ u64::from(band) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((spread >> 56) as usize, (spread >> 8) as usize)
}

impl Bands {
    /// Empty, for documents from ordinal `first` on that are in up to `bands` bands each.
    pub fn new(bands: usize, first: u32) -> Bands {
        Bands { shards: (0..SHARDS).map(|_| Shard::default()).collect(), next: Vec::new(), bands, first }
    }

    /// Asks the memory for a band that is read soon.
    #[inline]
    pub(crate) fn prefetch(&self, band: u8, key: u64) {
        let (shard, at) = place(band, key);
        let entries = &self.shards[shard].entries;
        if !entries.is_empty() {
            prefetch(&raw const entries[at & (entries.len() - 1)]);
        }
    }

    #[inline]
    fn find(&self, band: u8, key: u64) -> Option<&Entry> {
        let (shard, mut at) = place(band, key);
        let entries = &self.shards[shard].entries;
        if entries.is_empty() {
            return None;
        }
        loop {
            let entry = &entries[at & (entries.len() - 1)];
            if entry.head == NONE {
                return None;
            }
            if entry.tag & !0xff == tag(band, key) {
                return Some(entry);
            }
            at += 1;
        }
    }

    /// Gives the band's documents to `each`, ascending; returns their number, at most 255.
    #[inline]
    pub(crate) fn visit(&self, band: u8, slot: usize, key: u64, mut each: impl FnMut(u32)) -> usize {
        let Some(entry) = self.find(band, key) else { return 0 };
        let mut at = entry.head;
        while at != NONE {
            each(at);
            at = self.next[(at - self.first) as usize * self.bands + slot];
        }
        (entry.tag & 0xff) as usize
    }

    /// Adds a document, the one after the last: `places` are its bands' numbers and keys, one for each slot of the chain.
    pub fn insert(&mut self, ordinal: u32, places: impl Iterator<Item = (u8, u64)>) {
        let row = (ordinal - self.first) as usize * self.bands;
        self.next.resize(row + self.bands, NONE);
        for (slot, (band, key)) in places.enumerate() {
            let (shard, mut at) = place(band, key);
            let shard = &mut self.shards[shard];
            shard.make_room();
            let mask = shard.entries.len() - 1;
            let entry = loop {
                let entry = &mut shard.entries[at & mask];
                if entry.head == NONE || entry.tag & !0xff == tag(band, key) {
                    break entry;
                }
                at += 1;
            };
            if entry.head == NONE {
                *entry = Entry { tag: tag(band, key) | 1, head: ordinal, tail: ordinal };
                shard.used += 1;
            } else {
                self.next[(entry.tail - self.first) as usize * self.bands + slot] = ordinal;
                entry.tail = ordinal;
                // Beyond the limit the number itself is of no use.
                entry.tag += u64::from(entry.tag & 0xff < 0xff);
            }
        }
    }
}

impl Bands {
    /// Number, key and ordinal of every document in every band, in no order.
    pub fn records(&self) -> Vec<(u8, u64, u32)> {
        let mut records = Vec::with_capacity(self.next.len());
        for entry in self.shards.iter().flat_map(|s| &s.entries).filter(|e| e.head != NONE) {
            let (band, key) = ((entry.tag >> 8) as u8, entry.tag >> 16);
            // A text without words has one band, the first of its chain.
            let slot = if usize::from(band) < self.bands { usize::from(band) } else { 0 };
            let mut at = entry.head;
            while at != NONE {
                records.push((band, key, at));
                at = self.next[(at - self.first) as usize * self.bands + slot];
            }
        }
        records
    }
}

impl Shard {
    fn make_room(&mut self) {
        // Beyond two thirds a search in vain takes long.
        if 3 * (self.used + 1) <= 2 * self.entries.len() {
            return;
        }
        let larger = (2 * self.entries.len()).max(64);
        for entry in std::mem::replace(&mut self.entries, vec![FREE; larger]) {
            if entry.head != NONE {
                let (_, mut at) = place((entry.tag >> 8) as u8, entry.tag >> 16);
                while self.entries[at & (larger - 1)].head != NONE {
                    at += 1;
                }
                self.entries[at & (larger - 1)] = entry;
            }
        }
    }
}

/// Where a fingerprint was first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The document.
    pub ordinal: u32,
    /// The winnowing span's first word in it.
    pub position: u32,
}

#[derive(Clone, Copy)]
struct Seen {
    key: u64,
    place: Place,
}

/// Places of one part of the keys.
#[derive(Clone, Default)]
struct Part {
    entries: Vec<Seen>,
    used: usize,
}

const UNSEEN: Seen = Seen { key: 0, place: Place { ordinal: NONE, position: 0 } };

impl Part {
    /// The entry of the key, or the free one where it would be.
    #[inline]
    fn find(&self, key: u64) -> usize {
        let mut at = key as usize;
        loop {
            at &= self.entries.len() - 1;
            let entry = &self.entries[at];
            if entry.place.ordinal == NONE || entry.key == key {
                return at;
            }
            at += 1;
        }
    }

    fn make_room(&mut self) {
        // Beyond two thirds a search in vain takes long.
        if 3 * (self.used + 1) <= 2 * self.entries.len() {
            return;
        }
        let larger = (2 * self.entries.len()).max(64);
        let seen = std::mem::replace(&mut self.entries, vec![UNSEEN; larger]);
        for seen in seen.into_iter().filter(|s| s.place.ordinal != NONE) {
            let at = self.find(seen.key);
            self.entries[at] = seen;
        }
    }
}

/// A set of keys that may hold more than were put in: a bit for each value of some bits of a key.
#[derive(Clone)]
pub struct Filter {
    words: Vec<u64>,
}

impl Filter {
    /// Empty, with `bits` bits: a power of two, at least 64.
    pub fn new(bits: usize) -> Filter {
        Filter { words: vec![0; bits / 64] }
    }

    #[inline]
    fn place(&self, key: u64) -> (usize, u64) {
        // Keys are hashes; the table uses their lowest and their highest bits.
        let spread = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
        ((spread >> 6) as usize & (self.words.len() - 1), 1 << (spread & 63))
    }

    /// Whether the key may be in it.
    #[inline]
    pub(crate) fn may_have(&self, key: u64) -> bool {
        let (word, bit) = self.place(key);
        self.words[word] & bit != 0
    }

    /// Puts a key in.
    #[inline]
    pub fn insert(&mut self, key: u64) {
        let (word, bit) = self.place(key);
        self.words[word] |= bit;
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }
}

/// Asks the memory for what is read soon.
#[inline]
fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: prefetching reads nothing that the program sees, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// The first place of each fingerprint among kept documents, in memory.
pub struct Places {
    parts: Vec<Part>,
}

impl Default for Places {
    fn default() -> Places {
        Places { parts: vec![Part::default(); SHARDS] }
    }
}

impl Places {
    #[inline]
    fn part(key: u64) -> usize {
        (key >> 40) as usize & (SHARDS - 1)
    }

    /// Asks the memory for all entries, so that it fetches them side by side.
    fn prefetch(&self, keys: impl Iterator<Item = u64>) {
        for key in keys {
            let entries = &self.parts[Places::part(key)].entries;
            if !entries.is_empty() {
                prefetch(&raw const entries[key as usize & (entries.len() - 1)]);
            }
        }
    }

    /// The first place of a fingerprint.
    #[inline]
    pub fn get(&self, key: u64) -> Option<Place> {
        let part = &self.parts[Places::part(key)];
        if part.entries.is_empty() {
            return None;
        }
        let place = part.entries[part.find(key)].place;
        (place.ordinal != NONE).then_some(place)
    }

    /// The first places of fingerprints.
    pub(crate) fn get_all(&self, keys: impl Iterator<Item = u64> + Clone) -> Vec<Option<Place>> {
        self.prefetch(keys.clone());
        keys.map(|key| self.get(key)).collect()
    }

    /// Notes places of fingerprints that were not seen before.
    pub(crate) fn insert_all(&mut self, seen: impl Iterator<Item = (u64, Place)> + Clone) {
        self.prefetch(seen.clone().map(|(key, _)| key));
        for (key, place) in seen {
            let part = &mut self.parts[Places::part(key)];
            part.make_room();
            let at = part.find(key);
            if part.entries[at].place.ordinal == NONE {
                part.entries[at] = Seen { key, place };
                part.used += 1;
            }
        }
    }

    /// Every fingerprint with its place, in no order.
    pub fn records(&self) -> impl Iterator<Item = (u64, Place)> + '_ {
        self.parts.iter().flat_map(|p| &p.entries).filter(|e| e.place.ordinal != NONE).map(|e| (e.key, e.place))
    }
}
