//! An editor without a screen: speaks with a language server as editors do.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use serde_json::{Value, json};

/// How long an answer is waited for before the test fails; it takes a second on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// An editor with a YAML language server, which ends with it.
#[derive(Debug)]
pub struct Editor {
    server: Child,
    input: ChildStdin,
    // Answers of a few documents: a test holds them all.
    output: Receiver<Value>,
    last: u64,
}

impl Editor {
    /// Starts a server (a program of node) and says what editors say first.
    ///
    /// # Panics
    /// When it cannot be started or does not answer.
    #[must_use]
    pub fn start(program: &Path) -> Self {
        let mut command = Command::new("node");
        command
            .arg(program)
            .arg("--stdio")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut server = command.spawn().expect("node starts");
        let input = server.stdin.take().expect("piped");
        let stdout = server.stdout.take().expect("piped");
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            while let Some(message) = message(&mut reader) {
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut editor = Self { server, input, output, last: 0 };
        let text_document = json!({
            "hover": { "contentFormat": ["markdown"] },
            "completion": { "completionItem": { "snippetSupport": false } },
            "publishDiagnostics": {},
        });
        editor.ask(
            "initialize",
            &json!({ "processId": null, "rootUri": null, "capabilities": { "textDocument": text_document } }),
        );
        editor.tell("initialized", &json!({}));
        let yaml = json!({ "validate": true, "hover": true, "completion": true, "schemaStore": { "enable": false } });
        editor.tell("workspace/didChangeConfiguration", &json!({ "settings": { "yaml": yaml } }));
        editor
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len()).expect("the server reads");
        self.input.flush().expect("the server reads");
    }

    fn tell(&mut self, method: &str, params: &Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Waits for what is wanted; questions of the server are answered with nothing.
    fn wait(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.output.recv_timeout(PATIENCE).expect("an answer of the language server");
            if message["method"].is_string() && !message["id"].is_null() {
                let count = message["params"]["items"].as_array().map_or(0, Vec::len);
                let nothing = if count > 0 { json!(vec![Value::Null; count]) } else { Value::Null };
                self.send(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": nothing }));
            } else if wanted(&message) {
                return message;
            }
        }
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let id = self.last;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        self.wait(|message| message["id"] == id)["result"].take()
    }

    /// Opens a document; gives what the server says is wrong with it, as lines from 1 and messages.
    ///
    /// # Panics
    /// When the server does not answer.
    pub fn open(&mut self, uri: &str, text: &str) -> Vec<(u64, String)> {
        let document = json!({ "uri": uri, "languageId": "yaml", "version": 1, "text": text });
        self.tell("textDocument/didOpen", &json!({ "textDocument": document }));
        let published = self.wait(|message| {
            message["method"] == "textDocument/publishDiagnostics" && message["params"]["uri"] == uri
        });
        let found = published["params"]["diagnostics"].as_array().cloned().unwrap_or_default();
        let line = |problem: &Value| problem["range"]["start"]["line"].as_u64().unwrap_or(0) + 1;
        found.iter().map(|p| (line(p), p["message"].as_str().unwrap_or_default().to_owned())).collect()
    }

    /// The words that the server offers at a place of an open document, from 0.
    ///
    /// # Panics
    /// When the server does not answer.
    pub fn complete(&mut self, uri: &str, line: usize, character: usize) -> Vec<String> {
        let at =
            json!({ "textDocument": { "uri": uri }, "position": { "line": line, "character": character } });
        let answer = self.ask("textDocument/completion", &at);
        let items = answer["items"].as_array().or_else(|| answer.as_array()).cloned().unwrap_or_default();
        items.iter().filter_map(|item| item["label"].as_str()).map(str::to_owned).collect()
    }

    /// What the server says of a place of an open document, from 0.
    ///
    /// # Panics
    /// When the server does not answer.
    pub fn hover(&mut self, uri: &str, line: usize, character: usize) -> String {
        let at =
            json!({ "textDocument": { "uri": uri }, "position": { "line": line, "character": character } });
        let answer = self.ask("textDocument/hover", &at);
        answer["contents"]["value"].as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        // One that has ended already is ended too.
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// The next message; none at the end.
fn message(reader: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim();
        if line.is_empty() {
            break;
        }
        if let Some(said) = line.strip_prefix("Content-Length:") {
            length = said.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}
