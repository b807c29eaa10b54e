//! Statements of pages and sites, taken together.

use super::*;

const PAGE: &str = "https://a.org/x/y.html?q=1";

fn headers(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    lines.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// Protocol, finding and place of each signal.
fn said(signals: &[Signal]) -> Vec<(&'static str, Finding, &str)> {
    signals.iter().map(|s| (s.protocol.name(), s.finding, &s.place[..])).collect()
}

#[test]
fn a_page_without_statements_has_no_signal() {
    let headers = headers(&[("Content-Type", "text/html"), ("X-Robots-Tag", "noindex"), ("Link", "<a>; rel=next")]);
    let html = "<meta charset=utf-8><meta name=description content=noai><link rel=license href=/cc-by><p>tdm-reservation";
    assert!(of_page(&Page { url: PAGE, headers: &headers, html: Some(html) }).is_empty());
    assert_eq!(strictest(&[]), Finding::Absent);
}

#[test]
fn every_place_of_a_page_is_read() {
    let headers = headers(&[
        ("content-usage", "search=y"),
        ("Content-Usage", "train-ai=n"),
        ("TDM-RESERVATION", "0"),
        ("x-robots-tag", "googlebot: noindex, noai"),
        ("link", "<https://a.org/l.xml>; rel=\"license\"; type=\"application/rsl+xml\""),
    ]);
    let html = "<META NAME=Robots CONTENT='noimageai'><meta name=GPTBot content=noai>\
        <link rel='x License' type='application/rsl+xml' href=/l.xml>\
        <script type=application/rsl+xml><rsl xmlns='https://rslstandard.org/rsl'><content url=''><license>\
        <permits type='usage'>ai-train</permits></license></content></rsl></script>";
    let signals = of_page(&Page { url: PAGE, headers: &headers, html: Some(html) });
    let expected = [
        ("robots-tag", Finding::Absent, "meta robots"),
        ("robots-tag", Finding::Reserves, "meta gptbot"),
        ("rsl", Finding::Unknown, "link rel=license"),
        ("rsl", Finding::Permits, "script application/rsl+xml"),
        ("aipref", Finding::Reserves, "header Content-Usage"),
        ("robots-tag", Finding::Reserves, "header X-Robots-Tag"),
        ("rsl", Finding::Unknown, "header Link"),
        ("tdmrep", Finding::Permits, "header TDM-Reservation"),
    ];
    assert_eq!(said(&signals), expected);
    assert_eq!(signals[4].evidence, Digest::of(b"search=y, train-ai=n"));
    assert_eq!(strictest(&signals), Finding::Reserves);
}

#[test]
fn html_overrides_the_header_and_the_header_the_file() {
    let mut site = Site::default();
    site.add_tdmrep("https://a.org/.well-known/tdmrep.json", 200, br#"[{"location": "/", "tdm-reservation": 1}]"#);
    let (zero, damaged) = (headers(&[("tdm-reservation", "0")]), headers(&[("tdm-reservation", "no")]));
    let tdm = |headers: &[(String, String)], html: Option<&str>| strictest(&of(&Page { url: PAGE, headers, html }, &site));
    assert_eq!(tdm(&[], None), Finding::Reserves);
    assert_eq!(tdm(&zero, None), Finding::Permits);
    assert_eq!(tdm(&zero, Some("<meta name=tdm-reservation content=1>")), Finding::Reserves);
    assert_eq!(tdm(&damaged, None), Finding::Reserves);
    assert_eq!(tdm(&damaged, Some("<meta name=tdm-reservation content=0>")), Finding::Permits);
}

#[test]
fn a_licence_that_is_at_hand_answers_for_those_who_name_it() {
    let (html, url) = ("<link rel=license type=application/rsl+xml href='../l.xml#x'>", "https://a.org/l.xml");
    let page = Page { url: PAGE, headers: &[], html: Some(html) };
    let mut site = Site::default();
    site.add_robots("https://a.org/robots.txt", 200, b"License: https://a.org/l.xml\nUser-agent: *\nAllow: /");
    site.add_licence(url, 404, b"");
    let robots = ("robots", Finding::Absent, "https://a.org/robots.txt");
    let unknown = ("rsl", Finding::Unknown, "https://a.org/robots.txt License");
    assert_eq!(said(&of(&page, &site)), [("rsl", Finding::Unknown, "link rel=license"), robots, unknown]);
    let licence = "<rsl xmlns='https://rslstandard.org/rsl'><content url='/x/'><license>\
        <permits type='usage'>all</permits></license></content></rsl>";
    site.add_licence(url, 200, licence.as_bytes());
    assert_eq!(said(&of(&page, &site)), [robots, ("rsl", Finding::Permits, url)]);
}

#[test]
fn origins_are_normalized() {
    assert_eq!(origin_of("HTTP://u:p@A.org:80/x").as_deref(), Some("http://a.org:80"));
    assert_eq!(origin_of("https://ä.org").as_deref(), Some("https://xn--4ca.org:443"));
    assert_eq!(origin_of("https://[::1]:8443/").as_deref(), Some("https://[::1]:8443"));
    assert_eq!(origin_of("ftp://a.org/"), None);
    assert_eq!(origin_of("a.org/x"), None);
    assert_eq!(path_of("https://a.org").as_deref(), Some("/"));
    assert_eq!(path_of("https://a.org/x/../y?z=/#f").as_deref(), Some("/y?z=/"));
}

#[test]
fn a_page_has_no_more_signals_than_places() {
    let html = "<meta name=robots content=noimageai><meta name=robots content=noai><meta name=tdm-reservation>".repeat(10_000);
    let signals = of_page(&Page { url: "no address", headers: &[], html: Some(&html) });
    let expected = [("robots-tag", Finding::Reserves, "meta robots"), ("tdmrep", Finding::Unknown, "meta tdm-reservation")];
    assert_eq!(said(&signals), expected);
}

#[test]
fn names_are_those_of_the_log() {
    for protocol in Protocol::ALL {
        assert_eq!(serde_json::to_value(protocol).unwrap(), protocol.name());
    }
    assert!(Finding::Absent < Finding::Permits && Finding::Permits < Finding::Unknown && Finding::Unknown < Finding::Reserves);
}
