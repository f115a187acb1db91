//! Files that the configuration names, such as keys and certificates.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

/// Far above any key or chain of certificates.
const MOST: u64 = 1 << 20;

/// Reads a small file. What is none, such as a pipe or a device, is refused before it is opened: one could wait for it without
/// end, or read it without end.
///
/// # Errors
/// It is not there, no regular file, or larger than a mebibyte.
pub fn read_small_file(path: &Path) -> io::Result<Vec<u8>> {
    let invalid = |reason: &str| io::Error::new(io::ErrorKind::InvalidInput, reason);
    if !fs::metadata(path)?.is_file() {
        return Err(invalid("it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        return Err(invalid("it is larger than a mebibyte"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "key").unwrap();
        assert_eq!(read_small_file(&path).unwrap(), b"key");
        for path in [
            Path::new("/dev/zero"),
            Path::new("/dev/null"),
            folder.path(),
        ] {
            let error = read_small_file(path).unwrap_err().to_string();
            assert_eq!(error, "it is no regular file", "{}", path.display());
        }
        fs::write(&path, vec![b' '; MOST as usize + 1]).unwrap();
        let error = read_small_file(&path).unwrap_err().to_string();
        assert_eq!(error, "it is larger than a mebibyte");
        fs::remove_file(&path).unwrap();
        let error = read_small_file(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
