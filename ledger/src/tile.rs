//! Where entries and hashes lie in a tiled log.
//!
//! Source: C2SP `tlog-tiles`: tiles of 256 hashes (or entries), `tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]`.

use corpus::merkle;

/// Hashes of a full tile, entries of a full bundle.
pub const WIDTH: u64 = 256;

/// A file of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    /// Level of the hashes; `None` for entries.
    pub level: Option<u8>,
    /// Its number in the level.
    pub index: u64,
    /// Hashes or entries in it, at most [`WIDTH`].
    pub width: u64,
}

impl Tile {
    /// Its path below the log's folder.
    ///
    /// ```
    /// let tile = ledger::tile::Tile { level: Some(0), index: 1_234_067, width: 256 };
    /// assert_eq!(tile.path(), "tile/0/x001/x234/067");
    /// let tile = ledger::tile::Tile { level: None, index: 0, width: 8 };
    /// assert_eq!(tile.path(), "tile/entries/000.p/8");
    /// ```
    pub fn path(&self) -> String {
        let mut number = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1000);
            rest /= 1000;
        }
        let level = self.level.map_or("entries".to_string(), |l| l.to_string());
        let partial = if self.width == WIDTH { String::new() } else { format!(".p/{}", self.width) };
        format!("tile/{level}/{number}{partial}")
    }
}

/// The tile that has this path; none if no tile has it.
pub fn from_path(path: &str) -> Option<Tile> {
    let rest = path.strip_prefix("tile/")?;
    let (level, rest) = rest.split_once('/')?;
    let level = if level == "entries" { None } else { Some(level.parse().ok()?) };
    let (number, width) = match rest.split_once(".p/") {
        Some((number, width)) => (number, width.parse().ok()?),
        None => (rest, WIDTH),
    };
    let mut index: u64 = 0;
    for part in number.split('/') {
        index = index.checked_mul(1000)?.checked_add(part.trim_start_matches('x').parse().ok()?)?;
    }
    let tile = Tile { level, index, width };
    (tile.path() == path).then_some(tile)
}

impl Tile {
    /// The same tile in a tree of `size`, if that has it; it may be wider there.
    pub fn in_tree_of(self, size: u64) -> Option<Tile> {
        let level = self.level.unwrap_or(0);
        let hashes = if level < 8 { count(size, level) } else { 0 };
        let width = hashes.checked_sub(self.index.checked_mul(WIDTH)?)?.min(WIDTH);
        (self.width > 0 && self.width <= width).then_some(Tile { width, ..self })
    }
}

/// Hashes of level 8·`level` in a tree of `size`.
fn count(size: u64, level: u8) -> u64 {
    size >> (8 * u32::from(level))
}

/// Every file of a tree of `size` entries, partial ones at the right edge included.
pub fn all(size: u64) -> Vec<Tile> {
    all_from(0, size)
}

/// The partial tiles of a tree of `size`, which a larger tree has wider.
pub fn edge(size: u64) -> Vec<Tile> {
    all_from(size, size)
}

/// Files that a tree of `new` has and one of `old` has not: what an append writes.
pub fn added(old: u64, new: u64) -> Vec<Tile> {
    let before: std::collections::BTreeSet<Tile> = all_from(old, old).into_iter().collect();
    all_from(old, new).into_iter().filter(|t| !before.contains(t)).collect()
}

/// Files of a tree of `size` at or right of where a tree of `from` ends.
fn all_from(from: u64, size: u64) -> Vec<Tile> {
    let mut tiles = Vec::new();
    let mut add = |level: Option<u8>, first: u64, n: u64| {
        for index in first / WIDTH..n.div_ceil(WIDTH) {
            tiles.push(Tile { level, index, width: (n - index * WIDTH).min(WIDTH) });
        }
    };
    add(None, from, size);
    for level in 0..8 {
        add(Some(level), count(from, level), count(size, level));
    }
    tiles
}

/// A bundle of entries: each with its length in two big-endian bytes.
///
/// # Panics
/// If an entry is longer than 65,535 bytes, which no envelope is.
pub fn encode_entries<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).expect("entries are at most 65,535 bytes");
        out.extend(length.to_be_bytes());
        out.extend(entry);
    }
    out
}

/// The inverse of [`encode_entries`]; `None` if the bytes end inside an entry.
pub fn decode_entries(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry.to_vec());
        bytes = rest;
    }
    Some(entries)
}

/// The bytes of `tile` from those of one at its place that is as wide or wider; `None` if they are too short or torn.
pub fn narrow(tile: Tile, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let mut end = 0;
    for _ in 0..tile.width {
        end += match tile.level {
            Some(_) => 32,
            None => 2 + usize::from(u16::from_be_bytes(*bytes.get(end..)?.first_chunk()?)),
        };
    }
    bytes.get(..end)?;
    bytes.truncate(end);
    Some(bytes)
}

/// The bytes of a hash tile of a log's tree.
pub fn hashes(tile: Tile, tree: &merkle::Tree) -> Vec<u8> {
    let level = tile.level.expect("a tile of hashes");
    let first = (tile.index * WIDTH) as usize;
    tree.level(8 * usize::from(level))[first..first + tile.width as usize].iter().flat_map(|h| h.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growing_adds_exactly_what_is_missing() {
        for (old, new) in
            [(0, 0), (0, 1), (0, 256), (1, 2), (255, 256), (255, 257), (256, 300), (300, 65_536), (65_535, 65_537), (70_000, 70_001)]
        {
            let before = all(old);
            let mut grown: Vec<Tile> = all(new).into_iter().filter(|t| !before.contains(t)).collect();
            let mut found = added(old, new);
            grown.sort();
            found.sort();
            assert_eq!(found, grown, "{old} to {new}");
        }
        assert_eq!(all(65_537).iter().filter(|t| t.level == Some(2)).count(), 1);
    }

    #[test]
    fn a_narrower_tile_is_the_beginning_of_a_wider_one() {
        let bundle =
            |n: u8| encode_entries((0..n).map(|i| [7; 300][..usize::from(i)].to_vec()).collect::<Vec<_>>().iter().map(Vec::as_slice));
        let entries = |width| Tile { level: None, index: 0, width };
        for width in 1..=9 {
            assert_eq!(narrow(entries(width), bundle(9)), Some(bundle(width as u8)));
            assert_eq!(narrow(Tile { level: Some(0), ..entries(width) }, vec![1; 9 * 32]), Some(vec![1; 32 * width as usize]));
        }
        assert_eq!(narrow(entries(10), bundle(9)), None);
        assert_eq!(narrow(entries(9), bundle(9)[..bundle(9).len() - 1].to_vec()), None);
        assert_eq!(narrow(Tile { level: Some(0), ..entries(2) }, vec![1; 63]), None);
    }

    #[test]
    fn paths_of_tiles_are_read_and_no_others() {
        for size in [1, 256, 300, 70_000, 256 * 1_234_068] {
            for tile in all_from(size - 1, size) {
                assert_eq!(from_path(&tile.path()), Some(tile));
                assert_eq!(tile.in_tree_of(size), Some(tile));
                assert_eq!(Tile { width: tile.width + 1, ..tile }.in_tree_of(size), None);
                assert_eq!(Tile { index: tile.index + 1, ..tile }.in_tree_of(size), None);
            }
        }
        for path in [
            "tile/0/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/x000/001",
            "tile/00/000",
            "tile/9/000",
            "tile/entries/x1/000",
            "tile",
        ] {
            assert_eq!(from_path(path).and_then(|t| t.in_tree_of(1 << 40)), None, "{path}");
        }
    }

    #[test]
    fn entry_bundles_survive_and_torn_ones_are_refused() {
        let entries: Vec<Vec<u8>> = vec![vec![], vec![1], vec![7; 65_535]];
        let bytes = encode_entries(entries.iter().map(Vec::as_slice));
        assert_eq!(decode_entries(&bytes).unwrap(), entries);
        assert_eq!(decode_entries(&bytes[..bytes.len() - 1]), None);
        assert_eq!(decode_entries(&bytes[..1]), None);
    }
}
