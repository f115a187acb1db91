//! The configuration that was last read, on local disk: what a gateway starts from while the database is away.
//!
//! The rows are kept as they are stored, so provider keys stay sealed or references, and client keys hashes. The file is
//! replaced whole, and only its owner can read it.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::build::Rows;

/// Changes with the rows, so that no build takes another's file for its own.
const FORMAT: u32 = 1;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system's.
    #[error("cannot read it")]
    Read(#[from] io::Error),
    /// Not what we write.
    #[error("it is damaged")]
    Damaged(#[from] serde_json::Error),
    /// Written by another build.
    #[error("it has format {0}, and this build reads {FORMAT}")]
    Format(u32),
}

/// What is looked at first.
#[derive(Debug, Deserialize)]
struct Head {
    format: u32,
}

#[derive(Debug, Serialize)]
struct Kept<'a> {
    format: u32,
    rows: &'a Rows,
}

#[derive(Debug, Deserialize)]
struct Found {
    rows: Rows,
}

/// The rows as the file holds them.
pub(crate) fn text(rows: &Rows) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Kept {
        format: FORMAT,
        rows,
    })
}

/// The rows of a file.
pub(crate) async fn read(path: &Path) -> Result<Rows, FileError> {
    let text = tokio::fs::read_to_string(path).await?;
    let Head { format } = serde_json::from_str(&text)?;
    if format != FORMAT {
        return Err(FileError::Format(format));
    }
    let Found { rows } = serde_json::from_str(&text)?;
    Ok(rows)
}

/// Replaces the file. One that cannot be written costs a later start, and is no reason to refuse a configuration now.
pub(crate) async fn write(path: PathBuf, text: String) {
    let place = path.display().to_string();
    let error = match tokio::task::spawn_blocking(move || replace(&path, text.as_bytes())).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error,
        Err(error) => io::Error::other(error),
    };
    tracing::warn!(
        path = place,
        %error,
        "the configuration cannot be kept on disk; a start without the database would find an older one or none"
    );
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    // Readable by its owner only, and gone again if anything fails.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    std::fs::File::open(folder)?.sync_all()
}
