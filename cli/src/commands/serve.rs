//! `serve`: HTTP, and the triggers of the project.

mod turn;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use clap::Args;
use frazil_engine::{scheduler::Cancel, step::StepError, store::Tokens};
use frazil_server::Site;
use serde_json::json;
use turn::Turn;

use crate::{
    Format, FormatArg, Globals,
    exit::{Exit, Usage},
    render,
    session::{Session, runtime},
    signals::Signals,
};

/// Answers HTTP, fires triggers and runs pipelines.
///
/// A second server on the same state folder stands by, and takes the place of the first when that is gone.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen; port 0 takes one that is free
    ///
    /// `serve.listen` of frazil.yaml where nothing is said, else 127.0.0.1:8080.
    #[arg(long, value_name = "ADDRESS", env = "FRAZIL_LISTEN")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    format: FormatArg,
}

/// Where it listens when nothing is said.
const USUAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

impl Serve {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let (session, files) = Session::watched(globals)?;
        let tokens = Tokens::in_folder(session.state());
        // A checked project holds an address here.
        let listen = session.project.config.serve.listen.as_ref().and_then(|listen| listen.parse().ok());
        let listen = self.listen.or(listen).unwrap_or(USUAL);
        let cancel = Cancel::new();
        runtime()?.block_on(async {
            guarded(&tokens, listen).await?;
            let signals = Signals::listen(cancel.clone())?;
            let turn = signals.during(Turn::take(session.state(), self.format.format, &cancel)).await?;
            let Some(turn) = turn else { return Ok(signals.exit().unwrap_or(Exit::Done)) };
            let listener = turn.listen(listen).await?;
            let Turn { lock, has_waited } = turn;
            let site = Site { files, has_waited, registry: session.registry, turn: lock };
            let address = listener.local_addr().context("cannot tell where it listens")?;
            match self.format.format {
                Format::Human => render::note(&format!("listening on http://{address}\n"))?,
                Format::Json => {
                    let line = json!({ "v": 1, "event": "listening", "url": format!("http://{address}") });
                    render::out(&format!("{line}\n"))?;
                }
            }
            signals.during(frazil_server::serve(site, listener, cancel.token.clone())).await?;
            Ok(signals.exit().unwrap_or(Exit::Done))
        })
    }
}

/// Refuses to be reached from elsewhere while nobody could be told apart.
async fn guarded(tokens: &Tokens, listen: SocketAddr) -> anyhow::Result<()> {
    if listen.ip().to_canonical().is_loopback() || !tokens.list().await.map_err(StepError::from)?.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{listen} can be reached from other machines, and there are no tokens yet to tell who asks\nhelp: `frazil \
         token create NAME --role admin` makes one; without any, listen on 127.0.0.1"
    );
    Err(Usage(message).into())
}
