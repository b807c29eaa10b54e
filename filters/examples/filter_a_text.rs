//! Asks a filter about two texts, and masks addresses in them.
//!
//! `cargo run --release -p filters --example filter_a_text`

use filters::{Action, Filters, GopherQuality, PersonalData};

fn main() {
    let personal_data = PersonalData { email: Action::Mask, ..PersonalData::default() };
    let filters = Filters {
        // The paper's limits are for web pages; these are for single sentences.
        gopher_quality: Some(GopherQuality { words_min: 10, ..GopherQuality::default() }),
        personal_data: Some(personal_data),
        ..Filters::default()
    };
    for text in ["Buy now! ###", "Write to jane@example.org, and she will tell you what the meeting of the board in May was about."] {
        let (masked, count) = filters.mask(text).unwrap_or_else(|| (text.to_string(), 0));
        match filters.check(&masked) {
            Some(measure) => println!("left out: {measure}: {masked:?}"),
            None => println!("kept, with {count} pieces masked: {masked:?}"),
        }
    }
}
