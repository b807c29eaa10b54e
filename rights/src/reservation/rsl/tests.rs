//! Licences and what they say about addresses.

use super::reading::NAMESPACE;
use super::*;

fn target(url: &str) -> Target {
    Target::of(url).unwrap()
}

/// The finding of a document for `https://a.org/news/x`.
fn of(document: &str) -> Finding {
    Rsl::parse(document.as_bytes()).finding(&target("https://a.org/news/x"))
}

/// The finding of licences for all addresses.
fn licensed(licences: &str) -> Finding {
    of(&format!("<rsl xmlns=\"{NAMESPACE}\"><content url=\"\">{licences}</content></rsl>"))
}

const FREE: &str = "<license><permits type='usage'>ai-train</permits></license>";
const PROHIBITED: &str = "<license><prohibits type='usage'>ai-train</prohibits></license>";

#[test]
fn a_licence_permits_what_it_lists_without_a_condition() {
    let cases = [
        (FREE, Finding::Permits),
        ("<license><permits type='usage'>search\n ai-all</permits><payment type='free'/></license>", Finding::Permits),
        ("<license><permits type='usage'>all</permits><prohibits type='usage'>search</prohibits><payment/></license>", Finding::Permits),
        ("<license><permits type='usage'>all</permits><legal type='warranty'>ownership</legal></license>", Finding::Permits),
        ("<license><permits type='usage'>search, ai-train</permits></license>", Finding::Permits),
        // Choices: one is free.
        (
            "<license><permits type='usage'>search</permits></license><license><permits type='usage'>all</permits></license>",
            Finding::Permits,
        ),
    ];
    for (licences, expected) in cases {
        assert_eq!(licensed(licences), expected, "{licences}");
    }
}

#[test]
fn a_licence_reserves_what_it_prohibits_sells_or_leaves_out() {
    let cases = [
        PROHIBITED,
        "<license><prohibits type='usage'>AI-ALL</prohibits></license>",
        "<license><permits type='usage'>all</permits><prohibits type='usage'><![CDATA[ai-train]]></prohibits></license>",
        "<license><permits type='usage'>search ai-index</permits></license>",
        "<license><permits type='usage'/></license>",
        "<license><permits type='usage'>ai-train</permits><payment type='purchase'/></license>",
        "<license><permits type='usage'>ai-all</permits><payment><custom>https://a.org/ask</custom></payment></license>",
        "<license><payment type='crawl'><standard>https://a.org/</standard></payment></license>",
        "<license><permits type='usage'>all</permits></license><license><prohibits type='usage'>ai-train</prohibits></license>",
    ];
    for licences in cases {
        assert_eq!(licensed(licences), Finding::Reserves, "{licences}");
    }
}

#[test]
fn conditions_are_unknown() {
    let cases = [
        "",
        "<license/>",
        "<license><prohibits type='usage'>search</prohibits></license>",
        "<license><permits type='usage'>all</permits><prohibits type='usage'>x:new</prohibits></license>",
        "<license><permits type='usage'>all</permits><permits type='user'>non-commercial</permits></license>",
        "<license><permits>all</permits></license>",
        "<license><permits type='usage'>all</permits><permits type='usage'>all</permits></license>",
        "<license><permits type='usage'>all</permits><payment type='attribution'/></license>",
        "<license><permits type='usage'>all</permits><payment type='free'><standard>https://a.org/</standard></payment></license>",
        "<license><permits type='usage'>all</permits><reporting type='audit' profile='https://a.org/'/></license>",
        "<license><permits type='usage'>&#97;ll</permits></license><license><permits type='usage'>all</permits></license>",
    ];
    for licences in cases {
        assert_eq!(licensed(licences), Finding::Unknown, "{licences}");
    }
    let server = format!("<rsl xmlns='{NAMESPACE}'><content url='/' server='https://l.org/'>{FREE}</content></rsl>");
    assert_eq!(of(&server), Finding::Unknown);
}

#[test]
fn the_narrowest_path_decides() {
    // Section 3.1.2.
    let both = |outer: &str, inner: &str| {
        let document = format!("<rsl xmlns='{NAMESPACE}'><content url='/news/'>{inner}</content><content url='/'>{outer}</content></rsl>");
        let rsl = Rsl::parse(document.as_bytes());
        (rsl.finding(&target("https://a.org/")), rsl.finding(&target("https://b.org/news/")))
    };
    assert_eq!(both(FREE, PROHIBITED), (Finding::Permits, Finding::Reserves));
    assert_eq!(both(PROHIBITED, FREE), (Finding::Reserves, Finding::Permits));
    let same = format!("<rsl xmlns='{NAMESPACE}'><content url='/'>{PROHIBITED}</content><content url='/'>{FREE}</content></rsl>");
    assert_eq!(of(&same), Finding::Reserves);
}

#[test]
fn addresses_are_paths_or_whole() {
    let cases = [
        ("https://a.org", Finding::Permits),
        ("http://A.org:80/news/*$", Finding::Permits),
        ("/n*x$", Finding::Permits),
        ("https://u@a.org/news/", Finding::Permits),
        ("https://b.org/", Finding::Absent),
        ("https://a.org:8443/", Finding::Absent),
        ("https://a.org/other", Finding::Absent),
        ("https://a.org?x", Finding::Absent),
        ("https://*.a.org/", Finding::Unknown),
        ("//a.org/", Finding::Unknown),
        ("news/", Finding::Unknown),
        ("ftp://a.org/", Finding::Unknown),
    ];
    for (url, expected) in cases {
        assert_eq!(of(&format!("<rsl xmlns='{NAMESPACE}'><content url='{url}'>{FREE}</content></rsl>")), expected, "{url}");
    }
    assert_eq!(of(&format!("<rsl xmlns='{NAMESPACE}'><content>{FREE}</content></rsl>")), Finding::Unknown);
}

#[test]
fn prefixes_and_extensions_are_read_over() {
    let prefixed = FREE.replace("</", "</r:").replace("<", "<r:").replace("<r:/r:", "</r:");
    let document =
        format!("\u{feff}<?xml version='1.0'?><!-- c --><r:rsl xmlns:r='{NAMESPACE}'><r:content url=''>{prefixed}</r:content></r:rsl>");
    assert_eq!(of(&document), Finding::Permits);
    let extended =
        format!("<e:x xmlns:e='https://e.org/'><license><y>&z;</y></license></e:x><f xmlns='https://f.org/'>{PROHIBITED}</f>{FREE}");
    assert_eq!(licensed(&extended), Finding::Permits);
    // A prohibition by another prefix for the same namespace is not read, and nothing is permitted then.
    assert_eq!(licensed(&format!("{FREE}<q:license xmlns:q='{NAMESPACE}'/>")), Finding::Unknown);
}

#[test]
fn damaged_documents_permit_nothing_and_still_reserve() {
    let open = |licence: &str| format!("<rsl xmlns='{NAMESPACE}'><content url='/'>{licence}");
    let damaged = [
        String::new(),
        "text".to_string(),
        "<html></html>".to_string(),
        open(FREE),
        open(FREE) + "</content></rsl><rsl/>",
        open(FREE) + "</rsl>",
        open(FREE) + "<licence/></content></rsl>",
        open(FREE) + "<permits type='usage'/></content></rsl>",
        "<!DOCTYPE rsl>".to_string() + &open(FREE) + "</content></rsl>",
        format!("<rsl><content url='/'>{FREE}</content></rsl>"),
        open(FREE) + "</content></rsl>" + &" ".repeat(LIMIT),
    ];
    for document in &damaged {
        assert_eq!(of(document), Finding::Unknown, "{:.80}", document);
    }
    assert_eq!(of(&open(PROHIBITED)), Finding::Reserves);
    assert_eq!(of(&open("<license><prohibits type='usage'>ai-train")), Finding::Reserves);
    assert_eq!(of(&format!("<rsl><content url='/'>{PROHIBITED}</content></rsl>")), Finding::Reserves);
    assert_eq!(Rsl::parse(b"\xff<rsl/>").finding(&target("https://a.org/")), Finding::Unknown);
}

#[test]
fn cut_documents_never_panic() {
    let licences = "<license><payment type='x'><amount currency='EUR'>1</amount></payment></license>";
    let document =
        format!("<?xml version='1.0'?><rsl xmlns='{NAMESPACE}'><content url='/ä?a=1&amp;b'>{licences}{PROHIBITED}</content></rsl>");
    for end in 0..document.len() {
        Rsl::parse(&document.as_bytes()[..end]);
        Rsl::parse(&document.as_bytes()[end..]);
    }
    assert_eq!(of(&"<rsl>".repeat(100_000)), Finding::Unknown);
}
