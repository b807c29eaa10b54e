//! What a submitter states of its rights, in a TOML file beside the data.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use corpus::Digest;
use corpus::licence::Purpose;
use ledger::entry::{CollectionMethod, PersonalDataTerm, Rights, RightsBasis, UnknownTerm};
use serde::Deserialize;
use store::files;

use crate::error::{Context, Result, usage};

/// The file: every field may be left out. Files are named from its own folder, and only their digests are published.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    license_expires: Option<String>,
    rights_basis: Option<String>,
    consent_documentation: Option<PathBuf>,
    intended_data_use: Option<Vec<Purpose>>,
    method: Option<String>,
    data_generation_from: Option<String>,
    data_generation_to: Option<String>,
    #[serde(default)]
    data_origin_geography: Vec<String>,
    #[serde(default)]
    synthetic: bool,
    generating_model: Option<String>,
    personal_data: Option<String>,
}

/// The term that a field of the file says.
fn term<T: FromStr<Err = UnknownTerm>>(path: &Path, text: Option<&String>) -> Result<Option<T>> {
    text.map(|text| text.parse().map_err(|e| usage(format!("{}: {e}", path.display())))).transpose()
}

/// What is stated beside the licence.
#[derive(Clone, Debug, Default)]
pub struct StatedRights {
    file: File,
    rights_basis: Option<RightsBasis>,
    method: Option<CollectionMethod>,
    personal_data: Option<PersonalDataTerm>,
    consent_documentation: Option<Digest>,
}

impl StatedRights {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<StatedRights> {
        let text = files::read_text(path)?;
        let file: File = toml::from_str(&text).with_context(|| path.display().to_string())?;
        let digest = |named: &PathBuf| -> Result<Digest> { Ok(Digest::of(&files::read(&path.with_file_name(named))?)) };
        Ok(StatedRights {
            rights_basis: term(path, file.rights_basis.as_ref())?,
            method: term(path, file.method.as_ref())?,
            personal_data: term(path, file.personal_data.as_ref())?,
            consent_documentation: file.consent_documentation.as_ref().map(digest).transpose()?,
            file,
        })
    }

    /// `rights` with what is stated.
    pub fn apply(&self, rights: Rights) -> Rights {
        let file = self.file.clone();
        Rights {
            license_expires: file.license_expires,
            rights_basis: self.rights_basis.unwrap_or(rights.rights_basis),
            consent_documentation: self.consent_documentation,
            intended_data_use: file.intended_data_use,
            method: self.method.unwrap_or(rights.method),
            data_generation_from: file.data_generation_from,
            data_generation_to: file.data_generation_to,
            data_origin_geography: file.data_origin_geography,
            synthetic: file.synthetic,
            generating_model: file.generating_model,
            personal_data: self.personal_data.unwrap_or(rights.personal_data),
            ..rights
        }
    }
}
