//! `token`: who may ask the server.

use anyhow::Context as _;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};
use frazil_engine::{
    data::Duration,
    step::{ErrorKind, StepError},
    store::{Token, TokenRole, Tokens},
};
use serde_json::json;

use crate::{
    Format, FormatArg, Globals,
    exit::{Exit, Usage},
    render,
    session::{Session, runtime},
};

/// The longest name: it stands in logs and in each run that is started with it.
const NAME: usize = 64;

/// The shortest token that is taken from elsewhere: 128 bits in the thriftiest writing, and more in others.
const LENGTH: usize = 32;

/// Who may ask the server.
#[derive(Debug, Args)]
pub(crate) struct TokenCommand {
    #[command(subcommand)]
    verb: Verb,
}

/// What is done with tokens.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Makes a token and prints it, once: only its digest is kept
    #[command(after_long_help = super::examples::TOKEN)]
    Create {
        /// What it is called in lists, in logs and in the runs that are started with it
        name: String,
        /// What its holder may do: viewer, operator or admin
        #[arg(long)]
        role: TokenRole,
        /// It ends by itself after so long, as `90d`
        #[arg(long, value_name = "DURATION")]
        expires: Option<Duration>,
        /// Takes the token from this environment variable instead of making one; may be done again
        #[arg(long, value_name = "VARIABLE")]
        given: Option<String>,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Lists tokens by name; none can be shown again
    #[command(after_long_help = super::examples::TOKEN)]
    List {
        #[command(flatten)]
        format: FormatArg,
    },
    /// Ends a token; it stays listed
    #[command(after_long_help = super::examples::TOKEN)]
    Revoke {
        /// The name that it was made with
        name: String,
    },
}

impl TokenCommand {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let session = Session::open(globals)?;
        let tokens = Tokens::in_folder(session.state());
        runtime()?.block_on(async {
            match self.verb {
                Verb::Create { name, role, expires, given, format } => {
                    let wanted = Wanted { name, role, expires };
                    match given {
                        Some(variable) => keep(&tokens, wanted, &variable).await,
                        None => create(&tokens, wanted, format).await,
                    }
                }
                Verb::List { format } => list(&tokens, format).await,
                Verb::Revoke { name } => revoke(&tokens, &name).await,
            }
        })
    }
}

/// A token that is to be.
struct Wanted {
    name: String,
    role: TokenRole,
    expires: Option<Duration>,
}

impl Wanted {
    /// As it is kept, with this digest.
    fn token(&self, digest: [u8; 32]) -> anyhow::Result<Token> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
        let Self { name, role, expires } = self;
        if name.is_empty() || name.len() > NAME || !name.chars().all(fits) {
            let message =
                format!("`{name}` is no name of a token: letters, digits and `-_.@`, at most {NAME}");
            return Err(Usage(message).into());
        }
        let created = Utc::now();
        let expires = expires.map(|after| after.after(created));
        Ok(Token { name: name.clone(), digest, role: *role, created, expires, revoked: None })
    }

    fn taken(&self) -> StepError {
        let message = format!("there is a token `{}` already", self.name);
        StepError::permanent(ErrorKind::Refused, message)
            .help("`frazil token list` shows it; take another name")
    }
}

async fn create(tokens: &Tokens, wanted: Wanted, format: FormatArg) -> anyhow::Result<Exit> {
    let minted = frazil_server::mint().context("cannot make a token")?;
    let token = wanted.token(minted.digest)?;
    let (role, expires) = (token.role, token.expires);
    let is_first = tokens.list().await.map_err(StepError::from)?.is_empty();
    if !tokens.create(token).await.map_err(StepError::from)? {
        return Err(wanted.taken().into());
    }
    let shown = minted.token.expose();
    match format.format {
        Format::Human => render::out(&format!("{shown}\n"))?,
        Format::Json => {
            let line = json!({
                "frazil": 1, "type": "token", "name": wanted.name, "role": role.name(),
                "expires": expires.map(stamp), "token": shown,
            });
            render::out(&format!("{line}\n"))?;
        }
    }
    render::note("it is not shown again; who has lost it makes another\n")?;
    if is_first {
        render::note("from now on `frazil serve` asks everybody for a token, on this machine too\n")?;
    }
    Ok(Exit::Done)
}

/// Keeps a token that somebody else chose; one that is there already with this name is that one or another.
async fn keep(tokens: &Tokens, wanted: Wanted, variable: &str) -> anyhow::Result<Exit> {
    let given = std::env::var(variable).unwrap_or_default();
    let is_long = given.len() >= LENGTH && given.chars().all(|c| c.is_ascii_graphic());
    if !is_long {
        let message = format!(
            "{variable} holds no token: {LENGTH} letters, digits and signs at least\nhelp: \
             `frazil_$(openssl rand -hex 32)` is one"
        );
        return Err(Usage(message).into());
    }
    let token = wanted.token(frazil_server::digest(&given))?;
    if !tokens.create(token.clone()).await.map_err(StepError::from)? {
        let known = tokens.list().await.map_err(StepError::from)?;
        let is_it = |other: &Token| {
            (&other.name, other.digest, other.role, other.revoked)
                == (&token.name, token.digest, token.role, None)
        };
        if !known.iter().any(is_it) {
            return Err(wanted.taken().into());
        }
    }
    Ok(Exit::Done)
}

async fn list(tokens: &Tokens, format: FormatArg) -> anyhow::Result<Exit> {
    let now = Utc::now();
    for token in tokens.list().await.map_err(StepError::from)? {
        let state = match (token.revoked, token.expires) {
            (Some(at), _) => format!("revoked {}", stamp(at)),
            (None, Some(at)) if !token.is_good(now) => format!("expired {}", stamp(at)),
            (None, Some(at)) => format!("until {}", stamp(at)),
            (None, None) => "good".to_owned(),
        };
        render::out(&match format.format {
            Format::Human => format!("{:<24} {:<9} {state}\n", token.name, token.role),
            Format::Json => {
                let line = json!({
                    "frazil": 1, "type": "token", "name": token.name, "role": token.role.name(),
                    "created": stamp(token.created), "expires": token.expires.map(stamp),
                    "revoked": token.revoked.map(stamp), "good": token.is_good(now),
                });
                format!("{line}\n")
            }
        })?;
    }
    Ok(Exit::Done)
}

async fn revoke(tokens: &Tokens, name: &str) -> anyhow::Result<Exit> {
    if tokens.revoke(name, Utc::now()).await.map_err(StepError::from)? {
        render::note(&format!("`{name}` opens nothing any more\n"))?;
        return Ok(Exit::Done);
    }
    Err(Usage(format!("no token `{name}` that could be ended\nhelp: `frazil token list` lists them")).into())
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
