//! Objects in an object store are what they are in a folder: on a real S3 server.

mod common;

use corpus::Digest;
use store::object_store::{ObjectStore, Put};
use store::{Class, Objects, StoreError};

#[test]
fn objects_in_an_object_store_are_what_they_are_in_a_folder() {
    let Some(s3) = common::S3::start("corpus") else { return };
    for (name, value) in s3.environment() {
        // SAFETY: this test is alone in its process, and no other thread reads the environment yet.
        unsafe { std::env::set_var(name, value) };
    }
    let dir = tempfile::tempdir().unwrap();
    let both = [Objects::new(dir.path()), Objects::in_store("s3://corpus/home").unwrap()];
    let large: Vec<u8> = (0..20_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut listed = Vec::new();
    for objects in &both {
        for (class, bytes) in [(Class::Sealed, &large[..]), (Class::Public, b"small"), (Class::Party, b"")] {
            let digest = objects.put(class, bytes).unwrap();
            assert_eq!(digest, Digest::of(bytes));
            assert_eq!(objects.put(class, bytes).unwrap(), digest, "the same bytes a second time");
            assert_eq!(objects.get(class, &digest).unwrap(), bytes);
            assert_eq!(objects.size(class, &digest), Some(bytes.len() as u64));
        }
        let absent = Digest::of(b"absent");
        assert!(!objects.has(Class::Public, &absent) && !objects.has(Class::Sealed, &Digest::of(b"small")));
        assert!(matches!(objects.get(Class::Public, &absent), Err(StoreError::Absent(_))));
        objects.remove(Class::Party, &Digest::of(b"")).unwrap();
        objects.remove(Class::Party, &Digest::of(b"")).unwrap();
        listed.push(objects.list().unwrap());
        let (_, bytes) = objects.listed(&listed.last().unwrap()[0]).unwrap();
        assert_eq!(bytes, b"small");
    }
    assert_eq!(listed[0], listed[1]);
    assert_eq!(listed[0].len(), 2);
    // A name that has other bytes is not overwritten, and its bytes are not taken for what it names.
    let store = ObjectStore::open("s3://corpus/home").unwrap();
    let forged = format!("public/{}", Digest::of(b"true"));
    assert_eq!(store.put(&forged, b"false".to_vec()).unwrap(), Put::Stored);
    assert_eq!(store.put(&forged, b"true".to_vec()).unwrap(), Put::Present);
    assert!(matches!(both[1].put(Class::Public, b"true"), Err(StoreError::Corrupt { .. })));
    assert!(matches!(both[1].get(Class::Public, &Digest::of(b"true")), Err(StoreError::Corrupt { .. })));
    // Many at once: exactly one stores.
    let stored: usize = std::thread::scope(|threads| {
        let one = |_| threads.spawn(|| store.put("public/race", b"x".to_vec()).unwrap() == Put::Stored);
        (0..8).map(one).collect::<Vec<_>>().into_iter().map(|t| usize::from(t.join().unwrap())).sum()
    });
    assert_eq!(stored, 1);
    assert!(ObjectStore::open("ftp://x/y").is_err());
    let wrong = Objects::in_store("s3://no-such-bucket").unwrap();
    assert!(matches!(wrong.put(Class::Public, b"x"), Err(StoreError::ObjectStore { .. })));
}
