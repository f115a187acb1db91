//! The file that settings can come from, and objects that it declares.

use std::path::Path;

use anyhow::Context;

use super::given::Given;

/// Objects that a file declares, as its sections hold them.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Declarations {
    /// The file's name.
    pub(crate) owner: String,
    /// The sections.
    pub(crate) sections: toml::Table,
}

/// What a settings file holds.
#[derive(Default)]
pub(super) struct File {
    /// Its settings.
    pub(super) given: Given,
    /// The same as they are written there.
    pub(super) table: toml::Table,
    /// Objects that it declares; none where it has no such section.
    pub(super) declarations: Option<Declarations>,
}

/// Reads a settings file.
pub(super) fn read_file(path: &Path) -> anyhow::Result<File> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the settings file {}", path.display()))?;
    let read = || -> Result<File, toml::de::Error> {
        let (table, sections) = split(toml::from_str(&text)?);
        if sections.is_empty() {
            // By the text, errors can tell their lines.
            return Ok(File {
                given: toml::from_str(&text)?,
                table,
                declarations: None,
            });
        }
        Ok(File {
            given: table.clone().try_into()?,
            table,
            declarations: Some(Declarations {
                owner: name_of(path),
                sections,
            }),
        })
    };
    read().with_context(|| format!("the settings file {}", path.display()))
}

/// Reads what a file declares. It may hold settings too, as one that the gateway starts by.
pub(crate) fn read_declarations(path: &Path) -> anyhow::Result<Declarations> {
    let declared = read_file(path)?.declarations;
    Ok(declared.unwrap_or_else(|| Declarations {
        owner: name_of(path),
        sections: toml::Table::new(),
    }))
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// Settings, and sections that declare objects.
fn split(table: toml::Table) -> (toml::Table, toml::Table) {
    let is_section = |name: &str| admin::sections().any(|section| section == name);
    let mut sections = toml::Table::new();
    let mut settings = toml::Table::new();
    for (name, value) in table {
        let into = if is_section(&name) {
            &mut sections
        } else {
            &mut settings
        };
        into.insert(name, value);
    }
    (settings, sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_hold_settings_and_declare_objects() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read_file(&path)
        };
        let both = read("log_level = 'warn'\n[[models]]\nname = 'm'\n").unwrap();
        assert_eq!(both.given.log_level.as_deref(), Some("warn"));
        assert_eq!(both.table.len(), 1);
        let declared = both.declarations.unwrap();
        assert_eq!(declared.owner, "gateway.toml");
        assert_eq!(declared.sections["models"].as_array().unwrap().len(), 1);
        assert!(read("log_level = 'warn'").unwrap().declarations.is_none());
        for wrong in [
            "log_levle = 'warn'",
            "log_levle = 'warn'\n[[models]]\nname = 'm'\n",
        ] {
            let error = format!("{:#}", read(wrong).err().unwrap());
            assert!(error.contains("log_levle"), "{error}");
        }
        assert!(read_declarations(&path).is_err());
    }
}
