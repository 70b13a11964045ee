use std::{io, path::Path};

/// Paths below `root` that a pattern names, relative to it; `*` and `?` stand for any characters but
/// `/`. A folder that is named outright and is not there is an error: nothing in it is not "not yet".
pub(super) fn glob(root: &Path, pattern: &str) -> io::Result<Vec<String>> {
    let absolute = pattern.starts_with('/');
    let mut found = vec![if absolute { "/".to_owned() } else { String::new() }];
    let mut parts = pattern.split('/').filter(|part| !part.is_empty()).peekable();
    let mut free = false;
    while let Some(part) = parts.next() {
        let wild = part.contains(['*', '?']);
        free |= wild;
        let mut next = Vec::new();
        for folder in &found {
            let join = |name: &str| {
                if folder.is_empty() || folder.ends_with('/') {
                    format!("{folder}{name}")
                } else {
                    format!("{folder}/{name}")
                }
            };
            if !wild {
                let path = join(part);
                match std::fs::metadata(root.join(&path)) {
                    Ok(_) => next.push(path),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        if !free && parts.peek().is_some() {
                            return Err(io::Error::new(
                                error.kind(),
                                format!("the folder {path} is not there"),
                            ));
                        }
                    }
                    Err(error) => return Err(error),
                }
                continue;
            }
            let path = root.join(folder);
            if !path.is_dir() {
                continue;
            }
            for entry in std::fs::read_dir(path)? {
                let name = entry?.file_name();
                let name = name.to_string_lossy();
                if matches(part.as_bytes(), name.as_bytes()) {
                    next.push(join(&name));
                }
            }
        }
        found = next;
    }
    found.sort();
    Ok(found)
}

/// Whether a name is one of a pattern of one part.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            matches(rest, name) || name.split_first().is_some_and(|(_, n)| matches(pattern, n))
        }
        (Some((b'?', rest)), Some((_, name))) => matches(rest, name),
        (Some((wanted, rest)), Some((found, name))) => wanted == found && matches(rest, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_names_and_not_for_folders() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["in/2023/a.2023.tif", "in/2024/a.2024.tif", "in/2024/b.2024.nc", "in/notes"] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = |pattern: &str| glob(folder.path(), pattern).unwrap().join(" ");
        assert_eq!(found("in/*/a.*.tif"), "in/2023/a.2023.tif in/2024/a.2024.tif");
        assert_eq!(found("in/202?/?.2024.*"), "in/2024/a.2024.tif in/2024/b.2024.nc");
        assert_eq!(found("in/*.tif"), "");
        assert_eq!(found("in/2025.tif"), "");
        let absolute = folder.path().join("in/*/b.*").to_string_lossy().into_owned();
        assert_eq!(found(&absolute), folder.path().join("in/2024/b.2024.nc").to_string_lossy());
        assert!(glob(folder.path(), "out/*.tif").unwrap_err().to_string().contains("out is not there"));
    }
}
