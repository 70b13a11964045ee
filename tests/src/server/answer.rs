use std::{
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{Fault, Request};

/// Bytes of a file read and sent at a time.
const PIECE: u64 = 256 << 10;

const PAGE: &[u8] = b"<!DOCTYPE html><html><body>Scheduled maintenance</body></html>\n";

/// Answers one request. Whether the connection is still good for another.
pub(super) async fn send(
    stream: &mut TcpStream,
    folder: &Path,
    request: &Request,
    fault: Fault,
) -> io::Result<bool> {
    match fault {
        Fault::Status(status, retry_after) => {
            let more = retry_after.map(|value| ("Retry-After", value));
            plain(stream, request, status, more.as_slice(), "text/plain", b"no\n").await
        }
        Fault::Reset => {
            stream.set_zero_linger()?;
            Ok(false)
        }
        Fault::Hang => {
            std::future::pending::<()>().await;
            Ok(false)
        }
        Fault::Page => plain(stream, request, 200, &[], "text/html; charset=utf-8", PAGE).await,
        Fault::PageAsTiff => plain(stream, request, 200, &[], "image/tiff", PAGE).await,
        Fault::Empty => plain(stream, request, 200, &[], "image/tiff", b"").await,
        Fault::Redirect(to) => plain(stream, request, 302, &[("Location", to)], "text/plain", b"").await,
        Fault::Needs(name, value) if request.header(name) != Some(value.as_str()) => {
            plain(stream, request, 401, &[], "text/plain", b"who asks?\n").await
        }
        Fault::Needs(..) | Fault::None => file(stream, folder, request, &Manner::default()).await,
        Fault::NoRanges => {
            file(stream, folder, request, &Manner { ranges: false, ..Manner::default() }).await
        }
        Fault::Truncate(after) => {
            file(stream, folder, request, &Manner { cut: Some(after as u64), ..Manner::default() }).await
        }
        Fault::Unannounced(after) => {
            let manner = Manner { ranges: false, cut: Some(after as u64), announced: false };
            file(stream, folder, request, &manner).await
        }
    }
}

async fn plain(
    stream: &mut TcpStream,
    request: &Request,
    status: u16,
    more: &[(&str, String)],
    kind: &str,
    body: &[u8],
) -> io::Result<bool> {
    let more: String = more.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{more}\r\n",
        reason(status),
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    if request.method != "HEAD" {
        stream.write_all(body).await?;
    }
    Ok(open(request))
}

/// How a file is sent.
struct Manner {
    /// Whether ranges are honoured.
    ranges: bool,
    /// After how many bytes the connection is closed.
    cut: Option<u64>,
    /// Whether the length is said.
    announced: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self { ranges: true, cut: None, announced: true }
    }
}

async fn file(stream: &mut TcpStream, folder: &Path, request: &Request, manner: &Manner) -> io::Result<bool> {
    let Some((mut file, size, tag)) = find(folder, &request.path) else {
        return plain(stream, request, 404, &[], "text/plain", b"not here\n").await;
    };
    let asked = if manner.ranges { request.bytes(size) } else { None };
    let (status, range) = match asked {
        None => (200, 0..size),
        Some(Some(range)) => (206, range),
        Some(None) => {
            let whole = [("Content-Range", format!("bytes */{size}"))];
            return plain(stream, request, 416, &whole, "text/plain", b"").await;
        }
    };
    let Range { start, end } = range;
    let mut head = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: {}\r\nETag: {tag}\r\n",
        reason(status),
        kind(&request.path),
    );
    if manner.announced {
        head.push_str(&format!("Content-Length: {}\r\n", end - start));
    } else {
        head.push_str("Connection: close\r\n");
    }
    if manner.ranges {
        head.push_str("Accept-Ranges: bytes\r\n");
    }
    if status == 206 {
        head.push_str(&format!("Content-Range: bytes {start}-{}/{size}\r\n", end - 1));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    if request.method == "HEAD" {
        return Ok(open(request));
    }
    let end = manner.cut.map_or(end, |cut| end.min(start + cut));
    file.seek(SeekFrom::Start(start))?;
    let mut at = start;
    while at < end {
        let mut piece = vec![0; usize::try_from(PIECE.min(end - at)).unwrap_or_default()];
        file.read_exact(&mut piece)?;
        stream.write_all(&piece).await?;
        at += piece.len() as u64;
    }
    stream.flush().await?;
    Ok(manner.cut.is_none() && open(request))
}

/// A file of the folder, with its size and what names this version of it.
fn find(folder: &Path, path: &str) -> Option<(std::fs::File, u64, String)> {
    let relative = PathBuf::from(path.strip_prefix('/')?);
    // No path leaves the folder.
    if relative.components().any(|part| !matches!(part, Component::Normal(_))) {
        return None;
    }
    let file = std::fs::File::open(folder.join(relative)).ok()?;
    let about = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let age = about.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some((file, about.len(), format!("\"{:x}-{:x}\"", about.len(), age.as_nanos())))
}

fn open(request: &Request) -> bool {
    request.header("connection").is_none_or(|value| !value.eq_ignore_ascii_case("close"))
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("tif" | "tiff" | "cog") => "image/tiff",
        Some("nc") => "application/x-netcdf",
        Some("json") => "application/json",
        Some("html") => "text/html",
        _ => "application/octet-stream",
    }
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        302 => "Found",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Other",
    }
}
