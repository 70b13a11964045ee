//! `serve`: HTTP for those who read.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use clap::Args;
use frazil_engine::scheduler::Cancel;
use frazil_server::Site;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    Format, FormatArg, Globals,
    exit::{Exit, Usage},
    render,
    session::{Session, runtime},
    signals::Signals,
};

/// Answers HTTP.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen; port 0 takes one that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", env = "FRAZIL_LISTEN")]
    listen: SocketAddr,
    #[command(flatten)]
    format: FormatArg,
}

impl Serve {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        if !self.listen.ip().is_loopback() {
            let message = format!(
                "{} can be reached from other machines, and there are no tokens yet to tell readers apart\nhelp: \
                 listen on 127.0.0.1 and put a proxy that asks for passwords before it",
                self.listen
            );
            return Err(Usage(message).into());
        }
        let session = Session::open(globals)?;
        let site =
            Site { project: Arc::new(session.project), secrets: session.secrets, registry: session.registry };
        let cancel = Cancel::new();
        runtime()?.block_on(async {
            let listener = TcpListener::bind(self.listen).await;
            let listener = listener.with_context(|| format!("cannot listen on {}", self.listen))?;
            let address = listener.local_addr().context("cannot tell where it listens")?;
            let signals = Signals::listen(cancel.clone())?;
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
