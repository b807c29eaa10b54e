//! The examples of RFC 9309, and files as they are found.

use super::*;

fn said(body: &str, path: &str) -> Said {
    Robots::parse(body.as_bytes()).said(&Address::new(path))
}

fn access(body: &str, path: &str) -> Finding {
    said(body, path).access
}

/// Whether a crawler may fetch a path: by its own groups, or by those for everyone.
fn is_open(body: &str, crawler: &str, path: &str) -> bool {
    let longest = Robots::parse(body.as_bytes()).longest(&Address::new(path));
    let own = agent(crawler).and_then(|agent| longest.get(&agent));
    !own.or(longest.get(&Agent::Everyone)).is_some_and(Longest::disallows)
}

#[test]
fn the_first_example_of_the_rfc_is_read() {
    // Section 5.1, with crawlers of the list for foobot, barbot, bazbot and quxbot.
    let body = "User-Agent: *\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/\n\n\
        User-Agent: GPTBot\nDisallow:/\nAllow:/example/page.html\nAllow:/example/allowed.gif\n\n\
        User-Agent: CCBot\nUser-Agent: ClaudeBot\nDisallow: /example/page.html\n\nUser-Agent: Bytespider\n\nEOF\n";
    for (crawler, path, expected) in [
        ("GPTBot", "/example/page.html", true),
        ("GPTBot", "/example/allowed.gif", true),
        ("GPTBot", "/", false),
        ("CCBot", "/example/page.html", false),
        ("ClaudeBot", "/example/page.html", false),
        ("ClaudeBot", "/example/x.gif", true),
        ("Bytespider", "/example/page.html", true),
        ("Diffbot", "/example/page.html", false),
        ("Diffbot", "/x.gif", false),
        ("Diffbot", "/publications/", true),
    ] {
        assert_eq!(is_open(body, crawler, path), expected, "{crawler} {path}");
    }
}

#[test]
fn the_longest_match_holds_and_allow_wins_a_tie() {
    // Section 5.2.
    let body = "User-Agent: CCBot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n";
    assert!(!is_open(body, "CCBot", "/example/page/disallowed.gif") && is_open(body, "CCBot", "/example/page/x"));
    assert_eq!(access("User-agent: *\nDisallow: /a\nAllow: /a", "/a"), Finding::Absent);
    assert_eq!(access("User-agent: *\nDisallow: /a*\nAllow: /a", "/ab"), Finding::Reserves);
    // The encoded form has the more octets.
    assert_eq!(access("User-agent: *\nDisallow: /ä\nAllow: /*****", "/ä"), Finding::Reserves);
}

#[test]
fn groups_of_one_crawler_are_one() {
    // Section 2.2.1, figure 2.
    let body = "user-agent: ccbot\ndisallow: /foo\ndisallow: /bar\nuser-agent: other\ndisallow: /\nUSER-AGENT: CCBOT\ndisallow: /baz\n";
    for (path, expected) in [("/foo", false), ("/bar", false), ("/baz", false), ("/x", true)] {
        assert_eq!(is_open(body, "CCBot", path), expected, "{path}");
    }
    assert_eq!(access(body, "/x"), Finding::Absent);
}

#[test]
fn any_crawler_of_the_list_reserves() {
    assert_eq!(access("User-agent: GPTBot\nDisallow: /", "/x"), Finding::Reserves);
    assert_eq!(access("User-agent: *\nDisallow: /x", "/x"), Finding::Reserves);
    assert_eq!(access("User-agent: *\nDisallow: /x", "/y"), Finding::Absent);
    assert_eq!(access("User-agent: Googlebot\nDisallow: /", "/x"), Finding::Absent);
    assert_eq!(access("User-agent: *\nDisallow:", "/x"), Finding::Absent);
    // Names have versions and commas behind them, though they must not.
    assert_eq!(access("User-agent: gptbot/1.1 (x)\nDisallow: /", "/x"), Finding::Reserves);
    assert_eq!(access("User-agent: Googlebot, AI2Bot\nDisallow: /", "/x"), Finding::Reserves);
    assert_eq!(access("User-agent: GPTBotX\nDisallow: /", "/x"), Finding::Absent);
    // Everyone's rules are nobody's if all of the list have their own.
    let own: String = AI_CRAWLERS.iter().map(|crawler| format!("User-agent: {crawler}\n")).collect();
    assert_eq!(access(&format!("{own}Allow: /\nUser-agent: *\nDisallow: /"), "/x"), Finding::Absent);
}

#[test]
fn robots_txt_itself_is_allowed() {
    assert_eq!(access("User-agent: *\nDisallow: /", "/robots.txt"), Finding::Absent);
    assert_eq!(access("User-agent: *\nDisallow: /", "/robots.txt?x"), Finding::Reserves);
}

#[test]
fn lines_end_and_begin_in_many_ways() {
    for body in [
        "\u{feff}User-agent: *\r\nDisallow: /x\r\n",
        "User-agent: *\rDisallow: /x\r",
        "# c\n \t user-agent \t:\t* # c\n\n\nDISALLOW : /x#y",
        "User-agent: *\nSitemap: https://a.org/s.xml\nUser-agent: other\nCrawl-delay: 1\nDisallow: /x",
        "User-agent: *\nwhatever\nnonsense: 1\nDisallow: /x",
        "User-agent: other\nUser-agent: *\nDisallow: /x",
    ] {
        assert_eq!(access(body, "/x"), Finding::Reserves, "{body:?}");
        assert_eq!(access(body, "/z"), Finding::Absent, "{body:?}");
    }
    // A rule ends the names. One before all groups is for nobody, and whoever wrote it meant something.
    assert_eq!(access("User-agent: *\nAllow: /\nUser-agent: other\nDisallow: /x", "/x"), Finding::Absent);
    assert_eq!(access("Disallow: /\nUser-agent: *\nAllow: /", "/x"), Finding::Unknown);
    for damaged in
        ["User-agent: GPTBot\nDisallow /", "User-agent GPTBot\nDisallow: /", "Useragent: *\nDissallow: /", "User-agent: *\nDisallow: x"]
    {
        assert_eq!(access(damaged, "/x"), Finding::Unknown, "{damaged:?}");
    }
}

#[test]
fn what_is_no_robots_txt_is_unknown() {
    for body in [
        &b"<!doctype html><p>User-agent: *"[..],
        b" \n<html>",
        b"\x1f\x8b\x08\x00abc",
        b"U\x00s\x00e\x00r\x00",
        b"Not found",
        b"{\"error\": 404}",
        b"User-agent: *\nDisallow: /caf\xe9",
    ] {
        assert_eq!(Robots::parse(body).said(&Address::new("/x")).access, Finding::Unknown, "{}", body.escape_ascii());
    }
    assert_eq!(Robots::parse(b"User-agent: *\nDisallow: /\n\xe9").said(&Address::new("/x")).access, Finding::Reserves);
    // Comments in other encodings do no harm, and an empty file says nothing.
    assert_eq!(Robots::parse(b"# caf\xe9\nUser-agent: *\nAllow: /").said(&Address::new("/x")).access, Finding::Absent);
    for body in ["", "\n\n", "# nothing", "Sitemap: https://a.org/s.xml"] {
        assert_eq!(access(body, "/x"), Finding::Absent, "{body:?}");
    }
}

#[test]
fn bytes_behind_the_limit_are_not_read() {
    let filler = "#".repeat(LIMIT - 30);
    assert_eq!(access(&format!("User-agent: *\nDisallow: /x\n{filler}\nDisallow: /y"), "/x"), Finding::Reserves);
    assert_eq!(access(&format!("User-agent: *\nDisallow: /x\n{filler}\nDisallow: /y"), "/y"), Finding::Absent);
    // A line that is cut would be another.
    let cut = format!("User-agent: *\n{}\nDisallow: /yes", "#".repeat(LIMIT - 28));
    assert_eq!((cut.len() > LIMIT, access(&cut, "/yen")), (true, Finding::Absent));
}

#[test]
fn preferences_are_those_of_the_draft() {
    // draft-ietf-aipref-attach-05, section 3.4, with a crawler of the list for ExampleBot.
    let body = "User-Agent: *\nAllow: /\nDisallow: /never/\nContent-Usage: train-ai=n\nContent-Usage: /ai-ok/ train-ai=y\n\n";
    assert_eq!(said(body, "/test").usage, Some(Finding::Reserves));
    assert_eq!(said(body, "/ai-ok/test").usage, Some(Finding::Permits));
    assert_eq!(said(body, "/never/test"), Said { access: Finding::Reserves, usage: None, content_signal: None });
    // One crawler that may train is not all of them; one that may not is enough.
    let one = |preference: &str| format!("User-Agent: *\nContent-Usage: train-ai=y\nUser-Agent: CCBot\nContent-Usage: {preference}");
    assert_eq!(said(&one("train-ai=n"), "/x").usage, Some(Finding::Reserves));
    assert_eq!(said(&one("train-ai=y"), "/x").usage, Some(Finding::Permits));
    assert_eq!(said("User-agent: CCBot\nContent-Usage: train-ai=y", "/x").usage, Some(Finding::Absent));
    assert_eq!(said("User-agent: other\nContent-Usage: train-ai=n", "/x").usage, None);
}

#[test]
fn conflicting_preferences_are_the_stricter() {
    assert_eq!(said("User-agent: *\nContent-Usage: /a train-ai=n\nContent-Usage: /a train-ai=y", "/a").usage, Some(Finding::Reserves));
    assert_eq!(said("User-agent: *\nContent-Usage: /a\ttrain-ai=y # c\ncontent-usage : Train-AI=n", "/b").usage, Some(Finding::Unknown));
    assert_eq!(said("User-agent: *\nContent-Usage: /a", "/a").usage, Some(Finding::Absent));
    // Before all groups it is for everyone.
    assert_eq!(said("Content-Usage: train-ai=n\nUser-agent: CCBot\nAllow: /", "/x").usage, Some(Finding::Reserves));
}

#[test]
fn content_signals_are_read() {
    let body = "# Cloudflare's\nUser-Agent: *\nContent-Signal: search=yes,ai-train=no\nAllow: /\nContent-Signal: /open/ ai-train=yes\n";
    assert_eq!(said(body, "/x").content_signal, Some(Finding::Reserves));
    assert_eq!(said(body, "/open/x").content_signal, Some(Finding::Absent));
    assert_eq!(said("User-agent: *\nContent-Signal: search=yes", "/x").content_signal, None);
}

#[test]
fn licences_are_those_for_everyone_and_for_the_list() {
    let body = "License: /a.xml\nUser-agent: other\nLicense: /b.xml\nUser-agent: CCBot\nlicense: https://l.org/c.xml # c\nDisallow: /";
    // `License` ends no names: the second group is for both.
    assert_eq!(Robots::parse(body.as_bytes()).licences().collect::<Vec<_>>(), ["/a.xml", "/b.xml", "https://l.org/c.xml"]);
    let body = "User-agent: other\nDisallow: /\nLicense: /b.xml";
    assert_eq!(Robots::parse(body.as_bytes()).licences().count(), 0);
}

#[test]
fn hostile_files_take_linear_time() {
    let begun = std::time::Instant::now();
    let names: String = AI_CRAWLERS.iter().cycle().take(20_000).map(|crawler| format!("User-agent: {crawler}\n")).collect();
    let rules = "Disallow: /*a*b*c\n".repeat(20_000);
    assert_eq!(access(&(names + &rules), &format!("/{}", "ab".repeat(500))), Finding::Absent);
    assert_eq!(access(&"User-agent: CCBot\nAllow: /\n".repeat(20_000), "/x"), Finding::Absent);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}
