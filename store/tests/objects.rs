//! Objects that are written piece by piece, and objects that are mapped, below a folder.

use corpus::Digest;
use store::{Class, Objects, StoreError};

fn objects() -> (tempfile::TempDir, Objects) {
    let dir = tempfile::tempdir().unwrap();
    let objects = Objects::new(dir.path());
    (dir, objects)
}

/// Writes in pieces of 1, 2, 3 and so on bytes.
fn in_pieces(objects: &Objects, bytes: &[u8]) -> Result<Digest, StoreError> {
    objects.put_written(Class::Public, |out| {
        let mut rest = bytes;
        for size in 1.. {
            let (piece, left) = rest.split_at(size.min(rest.len()));
            out.write_all(piece).unwrap();
            rest = left;
            if rest.is_empty() {
                return Ok(());
            }
        }
        unreachable!("pieces grow")
    })
}

#[test]
fn an_object_written_in_pieces_is_the_one_of_all_bytes() {
    let (dir, objects) = objects();
    for bytes in [&b""[..], b"small", &vec![7; 3 << 20]] {
        for _ in 0..2 {
            assert_eq!(in_pieces(&objects, bytes).unwrap(), Digest::of(bytes));
        }
        assert_eq!(objects.get(Class::Public, &Digest::of(bytes)).unwrap(), bytes);
        assert_eq!(objects.map(Class::Public, &Digest::of(bytes)).unwrap(), bytes);
    }
    assert_eq!(std::fs::read_dir(dir.path().join("public")).unwrap().count(), 3, "no temporary file is left");
}

#[test]
fn a_name_that_has_other_bytes_is_not_written_over() {
    let (dir, objects) = objects();
    let name = in_pieces(&objects, b"true").unwrap();
    std::fs::write(dir.path().join("public").join(name.to_string()), b"false").unwrap();
    assert!(matches!(in_pieces(&objects, b"true"), Err(StoreError::Corrupt { expected, .. }) if expected == name));
    assert!(matches!(objects.map(Class::Public, &name), Err(StoreError::Corrupt { expected, .. }) if expected == name));
    assert!(matches!(objects.map(Class::Public, &Digest::of(b"absent")), Err(StoreError::Absent(_))));
}

#[test]
fn an_object_whose_writing_failed_is_not_there() {
    let (dir, objects) = objects();
    let failed = objects.put_written(Class::Sealed, |out| {
        out.write_all(b"half").unwrap();
        Err(StoreError::Absent(Digest::of(b"the rest")))
    });
    assert!(matches!(failed, Err(StoreError::Absent(_))));
    assert_eq!(std::fs::read_dir(dir.path().join("sealed")).unwrap().count(), 0);
}
