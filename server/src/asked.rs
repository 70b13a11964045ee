//! What is taken from requests, each refused with a problem that names all that is wrong.

use std::{convert::Infallible, fmt, str::FromStr, sync::Arc};

use axum::{
    extract::{FromRequestParts, Path},
    http::{HeaderMap, header, request::Parts, uri::Authority},
};
use frazil_engine::project::Serve;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::{
    app::App,
    problem::{Problem, Wrong},
};

/// The most names that a list in the query may hold.
const NAMES: usize = 100;

/// The names in the path.
#[derive(Debug, Clone)]
pub(crate) struct Segments<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(names) = Path::<T>::from_request_parts(parts, state).await?;
        Ok(Self(names))
    }
}

/// The query, part by part. What nobody asks for is ignored, as other clients' parts may stand there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    parts: Vec<(String, String)>,
    errors: Vec<Wrong>,
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        let parts = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Ok(Self { parts, errors: Vec::new() })
    }
}

impl Query {
    /// The one value of a part, read by `read`; a part that cannot be read or is there twice is noted.
    pub(crate) fn one<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let mut found = self.parts.iter().filter(|(part, _)| part == name).map(|(_, value)| value);
        let (first, second) = (found.next()?, found.next());
        let read = if second.is_some() { Err("it is said twice".to_owned()) } else { read(first) };
        read.map_err(|message| self.errors.push(Wrong::new(name, message))).ok()
    }

    /// A whole number of a range.
    pub(crate) fn number<N: FromStr + PartialOrd + std::fmt::Display>(
        &mut self,
        name: &str,
        least: N,
        most: N,
    ) -> Option<N> {
        self.one(name, |text| {
            let number = text.parse().ok().filter(|number| least <= *number && *number <= most);
            number.ok_or_else(|| format!("`{}` is no whole number from {least} to {most}", short(text)))
        })
    }

    /// The values of a list: said several times, or with commas; empty where it is not said.
    pub(crate) fn list<T>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let found = self.parts.iter().filter(|(part, _)| part == name);
        let found: Vec<&str> = found.flat_map(|(_, value)| value.split(',')).collect();
        let values = if found.len() > NAMES {
            Err(format!("it lists {} names, and at most {NAMES} are taken", found.len()))
        } else {
            found.into_iter().map(read).collect()
        };
        values.map_err(|message| self.errors.push(Wrong::new(name, message))).unwrap_or_default()
    }

    /// The same without a part.
    pub(crate) fn without(&self, name: &str) -> Self {
        let parts = self.parts.iter().filter(|(part, _)| part != name).cloned().collect();
        Self { parts, errors: Vec::new() }
    }

    /// The same with one more part.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.parts.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A path with this query.
    pub(crate) fn address(&self, path: &str) -> String {
        if self.parts.is_empty() {
            return path.to_owned();
        }
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.parts).finish();
        format!("{path}?{query}")
    }

    /// Refuses the query where anything of what was read is wrong.
    pub(crate) fn all_read(self) -> Result<(), Problem> {
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::wrong_query(self.errors)) }
    }
}

/// The beginning of a text that somebody sent, for a message.
pub(crate) fn short(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Where addresses of this server begin, as clients know it: `http://127.0.0.1:8080`, or what the project
/// says, `https://example.org/data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base(String);

impl FromRequestParts<Arc<App>> for Base {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        Ok(app.base(&parts.headers))
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Base {
    /// What the project says; else the name by which a request came in. A name that is none is not repeated.
    pub(crate) fn of(serve: &Serve, headers: &HeaderMap) -> Self {
        if let Some(said) = Self::said(serve) {
            return said;
        }
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.and_then(|host| host.parse::<Authority>().ok());
        let host = host.filter(|host| !host.as_str().contains('@'));
        Self(host.map_or_else(String::new, |host| format!("http://{host}")))
    }

    /// What the project says, for those whom no request tells it.
    pub(crate) fn said(serve: &Serve) -> Option<Self> {
        serve.url.as_ref().map(|url| Self(url.to_string()))
    }

    /// What was noted of it with a job.
    pub(crate) fn told(base: &str) -> Self {
        Self(base.to_owned())
    }

    /// The whole address of a path.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// A path as clients know it: what a proxy takes off stands before it.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.root())
    }

    /// What stands before all paths; mostly nothing.
    pub(crate) fn root(&self) -> &str {
        let authority = self.0.find("://").map_or(0, |at| at + 3);
        self.0[authority..].find('/').map_or("", |at| &self.0[authority + at..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        let parts = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        Query { parts, errors: Vec::new() }
    }

    fn base(url: Option<&str>, host: &str) -> Base {
        let serve = Serve { url: url.map(|url| url.parse().unwrap()), ..Serve::default() };
        let headers = [(header::HOST, host.parse().unwrap())];
        Base::of(&serve, &headers.into_iter().collect())
    }

    #[test]
    fn only_the_name_of_a_host_is_repeated() {
        let of = |host: &str| base(None, host).at("");
        assert_eq!(of("data.example.org:81"), "http://data.example.org:81");
        assert_eq!(of("[::1]:80"), "http://[::1]:80");
        for bad in ["a/b", "a\"><script>", "me@here", "a b"] {
            assert_eq!(of(bad), "", "{bad}");
        }
    }

    #[test]
    fn what_the_project_says_goes_before_what_a_request_says() {
        let of = |url: &str| {
            let base = base(Some(url), "10.0.0.7:8080");
            (base.at("/jobs"), base.path("/jobs"))
        };
        let told = |at: &str, path: &str| (at.to_owned(), path.to_owned());
        assert_eq!(of("https://example.org/a/b/"), told("https://example.org/a/b/jobs", "/a/b/jobs"));
        assert_eq!(of("https://example.org"), told("https://example.org/jobs", "/jobs"));
        assert_eq!(
            (base(None, "x:1").path("/jobs"), base(None, "a b").path("/jobs")),
            ("/jobs".to_owned(), "/jobs".to_owned())
        );
    }

    #[test]
    fn all_that_is_wrong_with_a_query_is_said() {
        let mut asked = query("limit=0&status=a,b&limit2=3&next=x&next=y");
        assert_eq!(asked.number("limit", 1, 10), None);
        assert_eq!(asked.list("status", |text| Ok(text.to_owned())), ["a", "b"]);
        assert_eq!(asked.one("next", |text| Ok(text.to_owned())), None);
        assert_eq!(asked.errors.len(), 2, "{:?}", asked.errors);
        assert!(asked.all_read().is_err());
        let mut asked = query("limit=10&other=1");
        assert_eq!(asked.number("limit", 1, 10), Some(10));
        assert!(asked.all_read().is_ok());
    }

    #[test]
    fn a_list_is_bounded() {
        let mut asked = query(&format!("status={}", vec!["a"; NAMES + 1].join(",")));
        assert!(asked.list("status", |text| Ok(text.to_owned())).is_empty());
        assert!(asked.all_read().is_err());
    }
}
