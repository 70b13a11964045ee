//! An S3 server on this machine: moto, out of the interpreter named in `FRAZIL_PYTHON`.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::programs::python;

/// A running server: killed when dropped.
#[derive(Debug)]
pub struct Moto {
    child: Child,
    port: u16,
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Moto {
    /// Starts it; `None`, said in a line, without a Python.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let python = python()?;
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a free port").port();
        let mut child = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe"));
        let moto = Self { child, port };
        // It says so when it listens; what it says later is read so that it never waits for us.
        let mut line = String::new();
        while !line.contains("Running on") {
            line.clear();
            assert!(lines.read_line(&mut line).expect("a line") > 0, "moto did not start");
        }
        std::thread::spawn(move || io::copy(&mut lines, &mut io::sink()));
        Some(moto)
    }

    /// The URL of the service, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes an object of a file that all may read, and the bucket of `path` (`/bucket/key`) where it is not there.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn put(&self, path: &str, file: &Path) {
        let bucket = path.split('/').nth(1).expect("/bucket/key");
        for (path, body) in
            [(format!("/{bucket}"), Vec::new()), (path.to_owned(), std::fs::read(file).expect("a file"))]
        {
            let answer = self.send(&path, &body).expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 200"), "PUT {path}: {answer}");
        }
    }

    fn send(&self, path: &str, body: &[u8]) -> io::Result<String> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port))?;
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nx-amz-acl: public-read\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes())?;
        socket.write_all(body)?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        Ok(answer)
    }
}
