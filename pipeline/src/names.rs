//! Names of contributors: an id, which the log has, and a name in any script, which stays in the home.

use std::collections::{BTreeMap, HashMap};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use corpus::ContributorId;
use ledger::entry::Holder;
use store::{StoreError, files};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::error::{Context, Result, usage};

/// The file with the names, a line each: id, tab, name. Of two lines of one id the later one counts.
const FILE: &str = "names.tsv";
/// With what files of contributors end in, a name has to fit the 255 bytes that file systems take.
const LONGEST_BYTES: usize = 200;

/// Names of contributors, both ways.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    ids: BTreeMap<String, ContributorId>,
    names: HashMap<ContributorId, String>,
}

impl Names {
    /// Reads the names of the home in `dir`; who may not read them sees ids.
    pub(crate) fn read(dir: &Path) -> Result<Names> {
        let path = dir.join(FILE);
        let bytes = match files::read(&path) {
            Ok(bytes) => bytes,
            Err(StoreError::Io { source, .. }) if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
                return Ok(Names::default());
            }
            Err(e) => return Err(e.into()),
        };
        let text = String::from_utf8(bytes).with_context(|| path.display())?;
        let mut found = Names::default();
        // What a crash cut off has no end of its line; its contributor is added again.
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            if let Some((Ok(id), name)) = line.split_once('\t').map(|(id, name)| (id.parse(), name)) {
                found.insert(id, name);
            }
        }
        Ok(found)
    }

    fn insert(&mut self, id: ContributorId, name: &str) {
        if let Some(before) = self.names.insert(id, name.to_string()) {
            self.ids.remove(&before);
        }
        self.ids.insert(name.to_string(), id);
    }

    /// The id of the contributor `name`.
    pub(crate) fn id(&self, name: &str) -> Option<ContributorId> {
        self.ids.get(name).or_else(|| self.ids.get(&name.nfc().collect::<String>())).copied()
    }

    /// The name of a contributor.
    pub(crate) fn name(&self, id: &ContributorId) -> Option<&String> {
        self.names.get(id)
    }

    /// All names, in their order.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&String, ContributorId)> {
        self.ids.iter().map(|(name, id)| (name, *id))
    }

    /// Gives the contributor `id` a name, durably.
    pub(crate) fn add(&mut self, dir: &Path, id: ContributorId, name: &str) -> Result<()> {
        let path = dir.join(FILE);
        let wrong = |e: std::io::Error| StoreError::Io { path: path.clone(), source: e };
        let new = !path.exists();
        let mut file = std::fs::OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path).map_err(wrong)?;
        // A line that a crash cut off ends here.
        let mut last = [b'\n'];
        if !new && file.seek(SeekFrom::End(-1)).is_ok() {
            file.read_exact(&mut last).map_err(wrong)?;
        }
        let end = if last == [b'\n'] { "" } else { "\n" };
        file.write_all(format!("{end}{id}\t{name}\n").as_bytes()).and_then(|()| file.sync_data()).map_err(wrong)?;
        if new {
            files::sync(dir)?;
        }
        self.insert(id, name);
        Ok(())
    }
}

/// The name as it is kept, in Unicode's normalization form C.
///
/// # Errors
/// If it is empty or too long, begins or ends with a space, has control characters, or reads as an id or a role.
pub fn check(name: &str) -> Result<String> {
    let kept: String = if is_nfc(name) { name.to_string() } else { name.nfc().collect() };
    // Marks that are not shown, or turn the direction of text, would let one name look like another. Those that join letters belong to
    // scripts that need them.
    let invisible = |c: char| {
        c.is_control() || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let expected = if kept.is_empty() || kept.trim() != kept {
        "at least one character, and no space before or after it"
    } else if kept.chars().any(invisible) {
        "no line feeds, tabs, and other characters that are not shown"
    } else if file_name(&kept).len() > LONGEST_BYTES {
        "at most 200 bytes of UTF-8, of which a character that files cannot have in their names takes 3"
    } else if kept.parse::<Holder>().is_ok() {
        "something that is not an id or a role"
    } else {
        return Ok(kept);
    };
    Err(usage(format!("contributor name {name:?}: expected {expected}")))
}

/// What files of the contributor `name` are called: the name itself, but for characters that a path would take otherwise.
///
/// Source of the escape: RFC 3986, section 2.1. No two names have the same.
pub fn file_name(name: &str) -> String {
    let mut out = String::new();
    for (place, c) in name.char_indices() {
        if matches!(c, '/' | '\\' | '%' | ':') || (c == '.' && place == 0) {
            out += &format!("%{:02X}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_script_are_taken_and_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["anna", "Łukasz Żółć", "山田 太郎", "ابن سينا", "a/b", "..", "50 %"];
        let mut kept = Names::default();
        for (id, name) in (0u8..).zip(names) {
            kept.add(dir.path(), ContributorId([id; 16]), &check(name).unwrap()).unwrap();
        }
        let read = Names::read(dir.path()).unwrap();
        for (id, name) in (0u8..).zip(names) {
            assert_eq!((read.id(name), read.name(&ContributorId([id; 16]))), (Some(ContributorId([id; 16])), Some(&name.to_string())));
        }
    }

    #[test]
    fn one_name_written_in_two_ways_is_one_name() {
        let mut names = Names::default();
        names.insert(ContributorId([1; 16]), &check("Zoe\u{308}").unwrap());
        assert_eq!(names.id("Zo\u{eb}"), Some(ContributorId([1; 16])));
        assert_eq!(names.id("Zoe\u{308}"), Some(ContributorId([1; 16])));
    }

    #[test]
    fn names_that_would_mislead_are_refused() {
        let long = "x".repeat(201);
        for name in ["", " anna", "an\nna", "an\tna", "ann\u{202e}a", "operator", "00112233445566778899aabbccddeeff", &long] {
            assert!(check(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn no_name_leaves_its_folder_and_no_two_are_one_file() {
        let names = ["a/b", "a%2Fb", "..", "%2E.", ".hidden", "a.b", "山田"];
        let files: std::collections::BTreeSet<String> = names.iter().map(|name| file_name(name)).collect();
        assert_eq!(files.len(), names.len());
        assert!(files.iter().all(|file| !file.contains('/') && !file.starts_with('.')), "{files:?}");
    }

    #[test]
    fn a_name_that_a_crash_cut_off_is_added_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut names = Names::default();
        names.add(dir.path(), ContributorId([1; 16]), "anna").unwrap();
        let whole = std::fs::read(dir.path().join(FILE)).unwrap();
        let torn = [&whole[..], &ContributorId([2; 16]).to_string().as_bytes()[..9]].concat();
        std::fs::write(dir.path().join(FILE), torn).unwrap();
        let mut names = Names::read(dir.path()).unwrap();
        assert_eq!(names.all().count(), 1);
        names.add(dir.path(), ContributorId([2; 16]), "bert").unwrap();
        let names = Names::read(dir.path()).unwrap();
        assert_eq!(names.all().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["anna", "bert"]);
    }
}
