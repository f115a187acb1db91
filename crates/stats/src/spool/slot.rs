//! A process's place in the spool folder.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Processes that may share a folder.
const SLOTS: usize = 64;

/// A slot, ours until it is dropped or the process ends, however that ends. Lock files are never removed: another
/// process might be about to lock the removed one.
#[derive(Debug)]
pub(super) struct Slot {
    folder: PathBuf,
    number: usize,
    _lock: File,
}

impl Slot {
    /// Takes the first free slot.
    pub(super) fn claim(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        for number in 0..SLOTS {
            if let Some(slot) = Self::lock(folder, number)? {
                return Ok(slot);
            }
        }
        Err(io::Error::other("too many processes share this folder"))
    }

    /// The slots that have a file and no holder. What cannot be looked at is left alone.
    pub(super) fn orphans(folder: &Path, own: &Self) -> Vec<Self> {
        (0..SLOTS)
            .filter(|number| *number != own.number && database(folder, *number).exists())
            .filter_map(|number| Self::lock(folder, number).ok().flatten())
            .collect()
    }

    pub(super) fn database(&self) -> PathBuf {
        database(&self.folder, self.number)
    }

    /// Removes the database of a slot whose rows were taken over.
    pub(super) fn clear(self) {
        if let Err(error) = self.remove_files() {
            tracing::warn!(path = %self.database().display(), %error, "cannot remove an emptied spool");
        }
    }

    fn remove_files(&self) -> io::Result<()> {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = self.database().into_os_string();
            path.push(suffix);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Renames a database that cannot be read, and says what it is called now. An earlier one gives way.
    pub(super) fn put_damaged_aside(&self) -> io::Result<PathBuf> {
        let kept = self
            .folder
            .join(format!("spool-{}.db.damaged", self.number));
        std::fs::rename(self.database(), &kept)?;
        self.remove_files()?;
        Ok(kept)
    }

    fn lock(folder: &Path, number: usize) -> io::Result<Option<Self>> {
        let path = folder.join(format!("spool-{number}.lock"));
        let lock = File::options().create(true).append(true).open(path)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self {
                folder: folder.to_owned(),
                number,
                _lock: lock,
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn database(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("spool-{number}.db"))
}
