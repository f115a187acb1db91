//! Who may read the files that the programs make.

use rustix::{fs::Mode, process::umask};

/// Keeps files that this process makes from now on from users who are neither its own nor of its group: the embedded
/// database, its backups and the spool hold what clients have sent, and keys where they are not sealed.
pub fn keep_files_private() {
    let narrowest = Mode::RWXO;
    let given = umask(narrowest);
    umask(given | narrowest);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn others_may_not_read_what_is_made_and_what_was_forbidden_stays_so() {
        umask(Mode::WGRP);
        keep_files_private();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "").unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }
}
