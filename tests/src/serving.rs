//! `frazil serve` as a process of its own, and a small HTTP client that changes nothing of what is
//! sent or answered.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::sandbox::Sandbox;

/// How long an answer may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs until it is dropped. What it logs lies in `serve.log` of the sandbox.
#[derive(Debug)]
pub struct Serving {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
}

impl Serving {
    /// `frazil serve` over a project, on a port that is free.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(sandbox: &Sandbox) -> Self {
        Self::of(sandbox, sandbox.command(&["serve", "--format", "json", "--listen", "127.0.0.1:0"]))
    }

    /// The same by a command that the test made: with options or variables of its own. It must listen
    /// on a port and say so with `--format json`.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn of(sandbox: &Sandbox, mut command: Command) -> Self {
        let log = File::options().create(true).append(true).open(sandbox.path("serve.log"));
        command.stdout(Stdio::piped()).stderr(log.expect("a log"));
        let mut child = command.spawn().expect("frazil starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it prints")).lines();
        let said = lines.find_map(|line| {
            let line: Value = serde_json::from_str(&line.ok()?).ok()?;
            (line["event"] == "listening").then(|| line["url"].as_str().map(str::to_owned))?
        });
        // Read on, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        let Some(url) = said else {
            let ended = child.wait().expect("it is waited for");
            let log = std::fs::read_to_string(sandbox.path("serve.log")).unwrap_or_default();
            panic!("frazil serve ended with {ended}\n{log}");
        };
        Self { child, url }
    }

    /// The id of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Answers `GET`.
    ///
    /// # Panics
    /// When no answer comes.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    /// Answers `POST` of JSON.
    ///
    /// # Panics
    /// When no answer comes.
    #[must_use]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }

    /// Answers any request; the path may begin with the server's URL.
    ///
    /// # Panics
    /// When no answer comes.
    #[must_use]
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut lines = self.open(method, path, headers, body);
        let mut answer = head(&mut lines);
        let mut bytes = Vec::new();
        if method != "HEAD" {
            lines.read_to_end(&mut bytes).expect("an answer ends");
        }
        let chunked = answer.header("transfer-encoding").is_some_and(|kind| kind == "chunked");
        answer.body = if chunked { joined(&bytes) } else { bytes };
        answer
    }

    /// The lines of an answer that goes on, such as server-sent events: without its head and without
    /// the sizes of its chunks.
    ///
    /// # Panics
    /// When no answer comes.
    pub fn follow(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (Answer, impl Iterator<Item = String> + use<>) {
        let mut lines = self.open("GET", path, headers, b"");
        let answer = head(&mut lines);
        let is_size = |line: &str| !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_hexdigit());
        let lines = lines.lines().map_while(Result::ok).filter(move |line| !is_size(line));
        (answer, lines)
    }

    fn open(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> BufReader<TcpStream> {
        let address = self.url.trim_start_matches("http://");
        let path = path.strip_prefix(&self.url).unwrap_or(path);
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || method == "POST" || method == "PUT" {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        let mut stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(&[request.as_bytes(), body].concat()).expect("a request is sent");
        BufReader::new(stream)
    }

    /// Sends a signal, such as `TERM`.
    ///
    /// # Panics
    /// When it cannot be sent.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status();
        assert!(sent.expect("kill starts").success(), "the signal {name} was not sent");
    }

    /// Kills it, as a power cut would.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it is waited for");
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Panics
    /// When it cannot be asked.
    #[must_use]
    pub fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        self.child.wait().expect("it is waited for")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The content.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The content as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The content as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}: {text}", self.status))
    }

    /// Sees to it that its status is what is expected.
    ///
    /// # Panics
    /// When it is another.
    pub fn is(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.text());
    }

    /// Itself, once its status is what is expected.
    ///
    /// # Panics
    /// When it is another.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

/// Status and headers.
fn head(lines: &mut BufReader<TcpStream>) -> Answer {
    let mut line = || {
        let mut line = String::new();
        lines.read_line(&mut line).expect("an answer comes");
        line.trim_end().to_owned()
    };
    let first = line();
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no answer of HTTP: `{first}`"));
    let mut headers = Vec::new();
    loop {
        let line = line();
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Answer { status, headers, body: Vec::new() }
}

/// The chunks of a body as one.
fn joined(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(&String::from_utf8_lossy(&bytes[..end]), 16).expect("a size");
        let (from, to) = (end + 2, end + 2 + size);
        body.extend_from_slice(&bytes[from..to]);
        bytes = &bytes[to + 2..];
    }
    body
}
