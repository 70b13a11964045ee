//! Who asks, and whether they may: every request passes here, before anything is read of it.

mod origin;
mod token;

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use chrono::Utc;
use frazil_engine::{
    dataset::{DatasetInfo, Visibility},
    project::Serve,
    store::{RunStoreError, TokenRole, Tokens},
};

pub(crate) use origin::is_for_us;
use origin::is_of_another_site;
pub use token::{Minted, digest, mint};

use crate::{api::Role, problem::Problem};

/// How long what was read of the tokens is believed: a revoked one opens nothing any more after it.
const BELIEVED: Duration = Duration::from_secs(1);

impl From<TokenRole> for Role {
    fn from(role: TokenRole) -> Self {
        match role {
            TokenRole::Viewer => Self::Viewer,
            TokenRole::Operator => Self::Operator,
            TokenRole::Admin => Self::Admin,
        }
    }
}

/// Who asks: an extension of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) role: Role,
    /// The name of the token; none without.
    pub(crate) name: Option<Arc<str>>,
    /// Whether nobody is asked for a token, since there never was one.
    pub(crate) is_open: bool,
}

impl Caller {
    pub(crate) const ANYONE: Self = Self { role: Role::Anyone, name: None, is_open: false };
    const OPEN: Self = Self { role: Role::Admin, name: None, is_open: true };

    /// Whether a dataset may be shown and read.
    pub(crate) fn may_read(&self, dataset: &DatasetInfo, serve: &Serve) -> bool {
        self.role >= Role::Viewer || serve.public || dataset.block.visibility == Visibility::Public
    }
}

/// Tells callers apart.
#[derive(Debug)]
pub(crate) struct Gate {
    tokens: Tokens,
    /// Whether only this machine can ask.
    is_loopback: bool,
    known: RwLock<Option<Arc<Known>>>,
}

#[derive(Debug)]
struct Known {
    read: Instant,
    tokens: Vec<frazil_engine::store::Token>,
}

impl Gate {
    pub(crate) fn new(state: &Path, is_loopback: bool) -> Self {
        Self { tokens: Tokens::in_folder(state), is_loopback, known: RwLock::new(None) }
    }

    /// Whether only this machine can ask.
    pub(crate) const fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// Who asks with these headers.
    ///
    /// # Errors
    /// The answer to a token that opens nothing, or where tokens cannot be read: then nobody is let in.
    pub(crate) async fn caller(&self, headers: &HeaderMap, serve: &Serve) -> Result<Caller, Refused> {
        let known = self.known().await.map_err(|error| {
            tracing::error!(%error, "tokens cannot be read, so that nobody is let in");
            Refused::Unreadable
        })?;
        let Some(given) = headers.get(header::AUTHORIZATION) else {
            let is_open = self.is_loopback && known.tokens.is_empty();
            let is_ours = is_open && !is_of_another_site(headers, serve);
            return Ok(if is_ours { Caller::OPEN } else { Caller { is_open, ..Caller::ANYONE } });
        };
        let digest = bearer(given).map(token::digest).ok_or(Refused::NoBearer)?;
        // All are compared, and each wholly, so that the time tells nothing of what fits.
        let fitting = known.tokens.iter().fold(None, |found, token| {
            if token::is_same(&token.digest, &digest) { Some(token) } else { found }
        });
        let token = fitting.filter(|token| token.is_good(Utc::now())).ok_or(Refused::Unknown)?;
        Ok(Caller { role: token.role.into(), name: Some(token.name.as_str().into()), is_open: false })
    }

    async fn known(&self) -> Result<Arc<Known>, RunStoreError> {
        let kept = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = kept.filter(|known| known.read.elapsed() < BELIEVED) {
            return Ok(known);
        }
        let read = Instant::now();
        let known = Arc::new(Known { read, tokens: self.tokens.list().await? });
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
        Ok(known)
    }
}

/// What follows `Bearer`.
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The header is not a bearer token.
    NoBearer,
    /// No such token, or not any more.
    Unknown,
    /// A token is needed.
    Missing,
    /// A page of another site asks where nobody needs a token.
    Foreign,
    /// The token's role does not reach so far.
    Role(Role),
    /// Nobody can be told apart.
    Unreadable,
}

impl Refused {
    /// The answer.
    pub(crate) fn problem(self) -> (HeaderMap, Problem) {
        let (status, detail, challenge) = match self {
            Self::NoBearer => (
                StatusCode::UNAUTHORIZED,
                "`Authorization` is not a bearer token: send `Authorization: Bearer TOKEN`".to_owned(),
                Some("Bearer realm=\"frazil\", error=\"invalid_request\"".to_owned()),
            ),
            Self::Unknown => (
                StatusCode::UNAUTHORIZED,
                "this token is not known here, or it has ended".to_owned(),
                Some("Bearer realm=\"frazil\", error=\"invalid_token\"".to_owned()),
            ),
            Self::Missing => (
                StatusCode::UNAUTHORIZED,
                "this needs a token: send `Authorization: Bearer TOKEN`; `frazil token create` makes one"
                    .to_owned(),
                Some("Bearer realm=\"frazil\"".to_owned()),
            ),
            Self::Foreign => (
                StatusCode::FORBIDDEN,
                "a page of another site asks, and no token tells whether it may: make one with `frazil token \
                 create`, or let anybody read with `visibility: public` at the dataset"
                    .to_owned(),
                None,
            ),
            Self::Role(role) => (
                StatusCode::FORBIDDEN,
                format!("this needs the role `{role}`, and the token has less"),
                Some(format!("Bearer realm=\"frazil\", error=\"insufficient_scope\", scope=\"{role}\"")),
            ),
            Self::Unreadable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "tokens cannot be read, so that nobody is let in; the server's log says why".to_owned(),
                None,
            ),
        };
        let mut headers = HeaderMap::new();
        if let Some(challenge) = challenge.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        (headers, Problem::plain(status, detail))
    }
}
