//! A run's model: text from it, its loss on targets and files.

use anyhow::Result;
use pipeline::{held_out, model};
use trainer::Decoding;

use crate::args::model::{Eval, Generate};
use crate::output::Output;
use crate::place::Place;

/// Text that the model goes on with after a prompt.
pub fn generate(place: &Place, a: Generate) -> Result<Output> {
    let decoding = Decoding { temperature: a.temperature, top: a.top, seed: a.seed };
    let found = model::generate(&*place.look()?, a.run, &a.prompt, a.tokens, decoding)?;
    Output::of(format!("{}{}", found.prompt, found.text), &found)
}

/// Loss in nats a token and bits a byte, by target or of a file.
pub fn evaluate(place: &Place, a: Eval) -> Result<Output> {
    let home = place.look()?;
    let file = a.file.map(|path| Ok::<_, anyhow::Error>((path.display().to_string(), held_out::read(&path)?))).transpose()?;
    let found = model::evaluate(&home, a.run, file)?;
    let mut text = String::new();
    for t in &found.targets {
        let (loss, bits) = (t.nats_per_token, t.bits_per_byte);
        text += &format!("{:<24} {:<8} {loss:8.4} nats a token  {bits:7.4} bits a byte  {:>9} tokens\n", t.target, t.half, t.tokens);
    }
    Output::of(text, &found)
}
