//! Files that the configuration names instead of holding what is in them: secrets (`file:/path`) and `ca_file`.
//!
//! Whoever rotates a mounted secret changes no row, so nothing in the database tells of it.

use std::{
    collections::BTreeMap,
    fs::Metadata,
    path::{Path, PathBuf},
    time::SystemTime,
};

use sea_orm::JsonValue;

/// What tells one content of a file from the next; `None` while there is no such file.
type Stamp = Option<(SystemTime, u64)>;

/// The files of one configuration, as they were when it was built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OutsideFiles(BTreeMap<PathBuf, Stamp>);

impl OutsideFiles {
    /// The files that a provider's `config` names.
    pub(crate) fn named_in(config: &JsonValue) -> Self {
        let mut files = Self::default();
        files.find(config);
        if let Some(path) = config.get("ca_file").and_then(JsonValue::as_str) {
            files.add(path);
        }
        files
    }

    fn find(&mut self, value: &JsonValue) {
        match value {
            JsonValue::String(text) => {
                if let Some(path) = text.strip_prefix("file:") {
                    self.add(path);
                }
            }
            JsonValue::Array(values) => values.iter().for_each(|value| self.find(value)),
            JsonValue::Object(members) => members.values().for_each(|value| self.find(value)),
            JsonValue::Null | JsonValue::Bool(_) | JsonValue::Number(_) => {}
        }
    }

    fn add(&mut self, path: &str) {
        let stamp = stamp(std::fs::metadata(path));
        self.0.insert(path.into(), stamp);
    }

    /// Takes up the files of another provider.
    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// A text that changes with any of them.
    pub(crate) fn fingerprint(&self) -> String {
        if self.0.is_empty() {
            String::new()
        } else {
            format!("{:?}", self.0)
        }
    }

    /// One that is not as it was, if there is any.
    pub(crate) async fn changed(&self) -> Option<&Path> {
        for (path, before) in &self.0 {
            if stamp(tokio::fs::metadata(path).await) != *before {
                return Some(path);
            }
        }
        None
    }
}

fn stamp(metadata: std::io::Result<Metadata>) -> Stamp {
    let metadata = metadata.ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_are_found_wherever_they_are_named_and_watched() {
        let folder = tempfile::tempdir().unwrap();
        let (key, ca) = (folder.path().join("key"), folder.path().join("ca.pem"));
        std::fs::write(&key, "one").unwrap();
        let config = serde_json::json!({
            "base_url": "https://example.com",
            "api_key": format!("file:{}", key.display()),
            "ca_file": ca,
            "models": {"m": {"headers": {"a": "file:/no/such/file"}}},
        });
        let files = OutsideFiles::named_in(&config);
        assert_eq!(files.0.len(), 3);
        assert_eq!(files.changed().await, None);

        std::fs::write(&key, "another").unwrap();
        assert_eq!(files.changed().await, Some(&*key));
        assert_ne!(
            files.fingerprint(),
            OutsideFiles::named_in(&config).fingerprint()
        );

        let files = OutsideFiles::named_in(&config);
        std::fs::write(&ca, "new").unwrap();
        assert_eq!(files.changed().await, Some(&*ca));
    }
}
