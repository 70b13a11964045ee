//! Serves the files of a folder on 127.0.0.1: `serve-files DIR [--port N]`. Prints its URL.

use std::io::Write;

use frazil_tests::server::Server;

fn main() -> anyhow::Result<()> {
    let mut folder = None;
    let mut port = 0;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--port" => port = args.next().unwrap_or_default().parse()?,
            _ if folder.is_none() => folder = Some(arg),
            _ => anyhow::bail!("usage: serve-files DIR [--port N]"),
        }
    }
    let folder = folder.ok_or_else(|| anyhow::anyhow!("usage: serve-files DIR [--port N]"))?;
    anyhow::ensure!(std::path::Path::new(&folder).is_dir(), "{folder} is no folder");
    let server = Server::start(folder, port)?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", server.url())?;
    out.flush()?;
    server.wait()?;
    Ok(())
}
