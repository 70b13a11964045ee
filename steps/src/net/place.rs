use std::{
    fmt,
    path::{Path, PathBuf},
};

use frazil_engine::step::{ErrorKind, StepError};
use url::Url;

/// Where a source file is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// On a web server.
    Http(Url),
    /// In a bucket.
    S3 {
        /// The bucket.
        bucket: String,
        /// The object in it.
        key: String,
    },
    /// On this machine.
    File(PathBuf),
}

impl Place {
    /// Reads a URL, or a path relative to `root`.
    ///
    /// # Errors
    /// When it is neither, or a URL of another scheme.
    pub(crate) fn parse(text: &str, root: &Path) -> Result<Self, StepError> {
        let wrong = |what: &str| StepError::permanent(ErrorKind::Data, format!("`{text}` {what}"));
        let Some((scheme, rest)) = text.split_once("://") else {
            return if text.is_empty() { Err(wrong("is no place")) } else { Ok(Self::File(root.join(text))) };
        };
        match scheme {
            "http" | "https" => {
                let url: Url = text.parse().map_err(|error| wrong(&format!("is no URL: {error}")))?;
                if !url.username().is_empty() || url.password().is_some() {
                    return Err(StepError::permanent(
                        ErrorKind::Credentials,
                        "a URL holds a user or password",
                    )
                    .help("write `auth: { basic: { user: …, password: \"{{ secrets.… }}\" } }` beside it"));
                }
                Ok(Self::Http(url))
            }
            "s3" => match rest.split_once('/') {
                Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
                    Ok(Self::S3 { bucket: bucket.to_owned(), key: key.to_owned() })
                }
                _ => Err(wrong("names no object in a bucket: write s3://bucket/key")),
            },
            "file" => {
                let url: Url = text.parse().map_err(|error| wrong(&format!("is no URL: {error}")))?;
                url.to_file_path().map(Self::File).map_err(|()| wrong("is no path of this machine"))
            }
            _ => {
                Err(wrong("is of a scheme that cannot be fetched from").help("use http, https, s3 or a path"))
            }
        }
    }
}

impl Place {
    /// What lies below it under `key`, whose parts are separated by slashes.
    pub(crate) fn below(&self, key: &str) -> Self {
        match self {
            Self::Http(url) => {
                let mut url = url.clone();
                if let Ok(mut segments) = url.path_segments_mut() {
                    segments.pop_if_empty().extend(key.split('/'));
                }
                Self::Http(url)
            }
            Self::S3 { bucket, key: root } => {
                Self::S3 { bucket: bucket.clone(), key: format!("{}/{key}", root.trim_end_matches('/')) }
            }
            Self::File(path) => Self::File(path.join(key)),
        }
    }

    /// Where a server that stands in for all sources is asked for it: `http://h/a?b` as the path
    /// `/http/h/a?b`. A file of this machine stays where it is.
    ///
    /// # Errors
    /// When `server` is no URL.
    pub(super) fn at_stand_in(&self, server: &str) -> Result<Self, StepError> {
        let meant = match self {
            Self::Http(url) => url.as_str().replacen("://", "/", 1),
            Self::S3 { bucket, key } => format!("s3/{bucket}/{key}"),
            Self::File(_) => return Ok(self.clone()),
        };
        let url = format!("{server}/{meant}").parse().map_err(|error| {
            StepError::permanent(ErrorKind::Internal, format!("`{server}` cannot stand in: {error}"))
        })?;
        Ok(Self::Http(url))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => {
                // What follows the path may be a signature: it is not for messages.
                let mut shown = url.clone();
                let hidden = url.query().is_some();
                shown.set_query(None);
                shown.set_fragment(None);
                write!(f, "{shown}{}", if hidden { "?…" } else { "" })
            }
            Self::S3 { bucket, key } => write!(f, "s3://{bucket}/{key}"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_is_asked_for_what_was_meant() {
        let asked = |text: &str| {
            let Place::Http(url) = Place::parse(text, Path::new("/p"))?.at_stand_in("http://127.0.0.1:9")?
            else {
                return Ok("a file".to_owned());
            };
            Ok::<_, StepError>(url.to_string())
        };
        assert_eq!(asked("https://h:8/a/x.tif?q=1&r").unwrap(), "http://127.0.0.1:9/https/h:8/a/x.tif?q=1&r");
        assert_eq!(asked("s3://b/a/x y.nc").unwrap(), "http://127.0.0.1:9/s3/b/a/x%20y.nc");
        assert_eq!(asked("data/x.tif").unwrap(), "a file");
    }

    #[test]
    fn what_lies_below_a_place_keeps_its_query() {
        let below = |text: &str| Place::parse(text, Path::new("/p")).unwrap().below("t2m/c/0/1");
        let url =
            |place: Place| if let Place::Http(url) = place { url.to_string() } else { place.to_string() };
        assert_eq!(url(below("https://h/a.zarr/?sig=x")), "https://h/a.zarr/t2m/c/0/1?sig=x");
        assert_eq!(url(below("https://h/a.zarr")), "https://h/a.zarr/t2m/c/0/1");
        assert_eq!(url(below("s3://b/a.zarr/")), "s3://b/a.zarr/t2m/c/0/1");
        assert_eq!(url(below("a.zarr")), "/p/a.zarr/t2m/c/0/1");
    }

    #[test]
    fn urls_and_paths_are_places() {
        let root = Path::new("/project");
        let place = |text: &str| Place::parse(text, root).map(|p| p.to_string());
        assert_eq!(place("data/x.tif").unwrap(), "/project/data/x.tif");
        assert_eq!(place("/data/x.tif").unwrap(), "/data/x.tif");
        assert_eq!(place("file:///data/x%20y.tif").unwrap(), "/data/x y.tif");
        assert_eq!(place("s3://b/a/x.tif").unwrap(), "s3://b/a/x.tif");
        assert_eq!(place("https://h/x.tif?sig=abc").unwrap(), "https://h/x.tif?…");
        for bad in ["", "ftp://h/x", "s3://b", "s3:///x", "http://", "https://me:pw@h/x"] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}
