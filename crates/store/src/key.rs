//! Where the sealing key comes from: a file in the data directory (made on first use, readable by its owner only),
//! a file that the operator names, or the operator's own bytes (an environment variable, say).
//! A key file holds 64 hexadecimal digits and a newline.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::StoreError;
use crate::seal::Secret;

/// The key file that is made in the data directory.
pub const KEY_FILE: &str = "store.key";

/// Where to take the key from that secrets are sealed with.
#[derive(Clone, Debug, Default)]
pub enum KeySource {
    /// `store.key` in the data directory; made there if the database is new.
    #[default]
    DataDirectory,
    /// A file that must exist.
    File(PathBuf),
    /// 64 hexadecimal digits that the operator gave in another way.
    Given(Secret),
}

/// Whether a key may be made where none is found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfMissing {
    Make,
    Refuse,
}

pub(crate) fn load(source: &KeySource, data_dir: &Path, if_missing: IfMissing) -> Result<[u8; 32], StoreError> {
    match source {
        KeySource::Given(text) => {
            parse(text.expose()).ok_or_else(|| StoreError::KeyMalformed { path: PathBuf::from("the given key") })
        }
        KeySource::File(path) => read(path)?.ok_or_else(|| match if_missing {
            IfMissing::Make => StoreError::KeyNotMade { path: path.clone() },
            IfMissing::Refuse => StoreError::KeyMissing { path: path.clone() },
        }),
        KeySource::DataDirectory => {
            let path = data_dir.join(KEY_FILE);
            if let Some(key) = read(&path)? {
                return Ok(key);
            }
            if if_missing == IfMissing::Refuse {
                return Err(StoreError::KeyMissing { path });
            }
            let mut key = [0; 32];
            fill_random(&mut key)?;
            write_private(&path, format!("{}\n", hex(&key)).as_bytes())?;
            // Another process may have been first: what the file holds counts.
            read(&path)?.ok_or(StoreError::KeyMissing { path })
        }
    }
}

fn read(path: &Path) -> Result<Option<[u8; 32]>, StoreError> {
    match fs::read(path) {
        Ok(text) => parse(&text).map(Some).ok_or_else(|| StoreError::KeyMalformed { path: path.to_owned() }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::DataDirectory { path: path.to_owned(), source }),
    }
}

fn parse(text: &[u8]) -> Option<[u8; 32]> {
    let text = text.trim_ascii();
    if text.len() != 64 {
        return None;
    }
    let mut key = [0; 32];
    for (byte, pair) in key.iter_mut().zip(text.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        if !pair.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(key)
}

/// Fills `bytes` from the operating system's generator.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), StoreError> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| StoreError::Cryptography("drawing random bytes"))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Makes `path` with mode 0600 and this content, whole or not at all, on the disk when this returns. A file that is
/// there already stays as it is.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let failed = |source| StoreError::DataDirectory { path: path.to_owned(), source };
    let mut tag = [0; 8];
    fill_random(&mut tag)?;
    let temporary = path.with_extension(format!("{}.tmp", hex(&tag)));
    let made = (|| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        // A link, unlike a rename, never replaces what is there.
        match fs::hard_link(&temporary, path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    })();
    let removed = fs::remove_file(&temporary);
    made.map_err(failed)?;
    removed.map_err(failed)?;
    if let Some(parent) = path.parent() {
        fs::File::open(parent).and_then(|directory| directory.sync_all()).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_made_key_is_private_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let first = load(&KeySource::DataDirectory, dir.path(), IfMissing::Make).unwrap();
        let again = load(&KeySource::DataDirectory, dir.path(), IfMissing::Refuse).unwrap();
        assert_eq!(first, again);
        assert_ne!(first, [0; 32]);
        let mode = fs::metadata(dir.path().join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_key_is_not_replaced_when_secrets_exist() {
        let dir = tempfile::tempdir().unwrap();
        let error = load(&KeySource::DataDirectory, dir.path(), IfMissing::Refuse).unwrap_err();
        assert!(matches!(error, StoreError::KeyMissing { .. }));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn malformed_keys_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        for text in ["", "abc", &"g".repeat(64), &"+1".repeat(32), &"a".repeat(66)] {
            fs::write(&path, text).unwrap();
            let error = load(&KeySource::File(path.clone()), dir.path(), IfMissing::Make);
            assert!(matches!(error, Err(StoreError::KeyMalformed { .. })), "{text}");
        }
        let given = KeySource::Given(Secret::new("0A".repeat(32)));
        assert_eq!(load(&given, dir.path(), IfMissing::Refuse).unwrap(), [10; 32]);
    }
}
