//! Licence texts come out as what they are, and altered ones as nothing that permits.

use std::collections::BTreeSet;

use corpus::licence::{Permission, Purpose, permission};
use rights::licence::{identify, of_file};
use serde::Deserialize;

fn text_of(id: &str) -> &'static str {
    spdx::text::LICENSE_TEXTS.iter().find(|(name, _)| *name == id).unwrap_or_else(|| panic!("{id} is no licence of the list")).1
}

#[test]
fn every_text_of_the_list_comes_out_as_itself() {
    let mut wrong = Vec::new();
    // No licence, but the list's word for that nothing is asserted.
    for (id, text) in spdx::text::LICENSE_TEXTS.iter().filter(|(id, _)| *id != "NOASSERTION") {
        let found = identify(text);
        let right = found.len() == 1 && found[0].contains(id);
        if !right {
            wrong.push(format!("{id}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), spdx::text::LICENSE_TEXTS.len(), wrong.join("\n"));
}

#[derive(Deserialize)]
struct Altered {
    base: String,
    edit: Edit,
    why: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Edit {
    Append(String),
    Prepend(String),
    Replace(String, String),
    Remove(String),
    InsertAfter(String, String),
}

impl Altered {
    fn text(&self) -> String {
        let base = text_of(&self.base).to_string();
        let has = |part: &str| assert!(base.contains(part), "{}: {:?} is not in {}", self.why, part, self.base);
        match &self.edit {
            Edit::Append(text) => base + text,
            Edit::Prepend(text) => text.clone() + &base,
            Edit::Replace(from, to) => {
                has(from);
                base.replacen(from.as_str(), to, 1)
            }
            Edit::Remove(text) => {
                has(text);
                base.replacen(text.as_str(), "", 1)
            }
            Edit::InsertAfter(anchor, text) => {
                has(anchor);
                base.replacen(anchor.as_str(), &format!("{anchor}{text}"), 1)
            }
        }
    }
}

#[test]
fn altered_texts_permit_nothing() {
    let altered: Vec<Altered> = serde_json::from_str(include_str!("licences/altered.json")).unwrap();
    assert!(altered.len() >= 30);
    let mut wrong = Vec::new();
    for a in &altered {
        let expression = of_file(&a.text());
        if permission(&expression, Purpose::Commercial) == Permission::Permitted {
            wrong.push(format!("{} ({}) is taken for {expression}", a.why, a.base));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), altered.len(), wrong.join("\n"));
}

#[test]
fn files_as_people_have_them_are_recognised() {
    let mit = text_of("MIT").replace("<year> <copyright holders>", "2024 Anna Example <anna@example.org>");
    let ids = |text: &str| of_file(text);
    assert_eq!(ids(&mit), "MIT");
    assert_eq!(ids(&mit.replace("MIT License", "The MIT License (MIT)")), "MIT");
    assert_eq!(ids(&mit.replace("MIT License\n", "")), "MIT");
    assert_eq!(ids(&mit.replace("Copyright (c) 2024", "Copyright (c) 2020 The Project Developers\nCopyright (c) 2024")), "MIT");
    let bsd = text_of("BSD-3-Clause").replace("<year> <owner>", "2001, The Regents. All rights reserved");
    assert_eq!(ids(&bsd), "BSD-3-Clause");
    assert_eq!(ids(&bsd.replace("the copyright holder nor", "Example University nor")), "BSD-3-Clause");
    assert_eq!(ids(text_of("GPL-2.0-only")), "GPL-2.0-only");
    let apache = text_of("Apache-2.0");
    let end = apache.find("APPENDIX").expect("an appendix");
    assert_eq!(ids(&apache[..end]), "Apache-2.0");
    assert_eq!(ids(&apache.replace("[yyyy] [name of copyright owner]", "2024 Example Ltd")), "Apache-2.0");
    assert_eq!(ids(&format!("{mit}\n\n{}", &apache)), "Apache-2.0 AND MIT");
    assert_eq!(ids("SPDX-License-Identifier: CC-BY-4.0\n"), "CC-BY-4.0");
    assert_eq!(ids("CC0-1.0"), "CC0-1.0");
    assert_eq!(ids("https://creativecommons.org/licenses/by-nc/4.0/"), "CC-BY-NC-4.0");
    assert!(ids("All rights reserved.").contains("unknown") && ids("").contains("unknown"));
    assert_eq!(ids(&bsd.replace("All rights reserved", "\nAll rights reserved.\n")), "BSD-3-Clause");
    for holder in ["Allen Institute for AI", "Will Smith", "J. R. Doe, Inc.", "Max Planck Institute for Research", "张三"] {
        assert_eq!(ids(&mit.replace("Anna Example <anna@example.org>", holder)), "MIT", "{holder}");
    }
    for rider in [
        "张三，禁止用于训练",
        "Jane Doe. Companies Ask First.",
        "Jane Doe. Neural Networks Excluded",
        "Jane Doe; Firms Pay Royalties",
        "상업적 이용 금지",
    ] {
        assert!(ids(&mit.replace("Anna Example <anna@example.org>", rider)).contains("unknown"), "{rider}");
    }
    assert!(ids("/* SPDX-License-Identifier: MIT */ Non-commercial use only.").contains("unknown"));
    assert!(ids(&format!("{mit}\n(c) Companies Pay Royalties To Jane Doe\n")).contains("unknown"));
    // Both count.
    assert_eq!(ids("SPDX-License-Identifier: MIT\nSPDX-License-Identifier: CC-BY-NC-4.0\n"), "CC-BY-NC-4.0 AND MIT");
    assert!(ids("SPDX-License-Identifier: MIT\n\nUse for training is not permitted.\n").contains("unknown"));
    let found: BTreeSet<&str> = identify(text_of("LGPL-2.1-or-later")).remove(0);
    assert!(found.contains("LGPL-2.1-only") && found.contains("LGPL-2.1-or-later"));
}
