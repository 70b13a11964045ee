//! Cubes in an S3-compatible store on this machine, and a store that ignores conditions.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use frazil_engine::{
    data::{Action, Duration, Status},
    dataset::DatasetInfo,
    project::{SecretRef, StoreOptions},
};
use serde_json::json;

use super::support::{Bench, bench_at, context, day, finals, slice};
use crate::cube::{BatchWriter, Cube, Retention, foresee, sweep};

struct Moto {
    child: Child,
    port: u16,
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// moto, out of the interpreter named in `FRAZIL_PYTHON`.
fn moto() -> Option<Moto> {
    let Some(python) = std::env::var_os("FRAZIL_PYTHON") else {
        assert!(std::env::var_os("CI").is_none(), "FRAZIL_PYTHON names no interpreter");
        println!("skipped: FRAZIL_PYTHON names no interpreter (`make test` sets it)");
        return None;
    };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut child = Command::new(python)
        .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It says so when it listens; what it says later is read so that it never waits for us.
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("Running on") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "moto did not start");
    }
    std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        socket,
        "PUT /cubes HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Some(Moto { child, port })
}

fn bucket(port: u16) -> Bench {
    let mut bench = bench_at(tempfile::tempdir().unwrap(), "s3://cubes/test/rain".to_owned(), json!({}));
    bench.info.location.options = StoreOptions {
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        region: Some("us-east-1".to_owned()),
        path_style: true,
        access_key: Some("key".to_owned()),
        secret_key: Some("secret".to_owned()),
        ..StoreOptions::default()
    };
    bench.cx = with_secrets(&bench, &bench.info);
    bench
}

fn with_secrets(bench: &Bench, info: &DatasetInfo) -> frazil_engine::context::Context {
    let mut cx = context(bench.folder.path(), info);
    let file = |name: &str, text: &str| {
        std::fs::write(bench.folder.path().join(name), text).unwrap();
        (name.to_owned(), SecretRef { env: None, file: Some(name.to_owned()) })
    };
    let refs = [file("key", "AKIATEST"), file("secret", "s3cr3t-of-the-test")].into();
    cx.scope.secrets =
        std::sync::Arc::new(frazil_engine::context::EnvSecrets::new(bench.folder.path().to_owned(), refs));
    cx
}

#[tokio::test]
async fn a_cube_lives_in_a_bucket() {
    let Some(moto) = moto() else { return };
    let bench = bucket(moto.port);
    assert!(bench.cube().await.is_none());
    bench.add(1, 6).await;
    bench.add(7, 9).await;
    assert_eq!(bench.contents().await, finals(1..=9));
    // The self-test took away what it wrote, and is made once.
    assert_eq!(std::fs::read_dir(bench.folder.path().join("state/stores")).unwrap().count(), 1);
    // Two writers of one head: one of them commits, the other is told to list anew.
    let ours = bench.write(0, Action::Add, vec![slice(day(10), Status::Final, 0.0)]).await.unwrap();
    let theirs = bench.write(0, Action::Add, vec![slice(day(10), Status::Final, 9.0)]).await.unwrap();
    bench.commit(vec![theirs]).await.unwrap();
    let head = bench.head().await;
    bench.commit(vec![ours]).await.unwrap();
    assert_eq!(bench.head().await, head);
}

#[tokio::test]
async fn a_bucket_lets_go_of_the_past_as_a_folder_does() {
    let Some(moto) = moto() else { return };
    let bench = bucket(moto.port);
    for n in 1..=6 {
        bench.add(n, n).await;
    }
    let first = bench.cube().await.unwrap().id();
    bench.add(7, 7).await;
    let all = Retention { age: Duration::from_millis(0), count: 1, unreferenced: Duration::from_millis(0) };
    // What was made in the second of now is as young as it may be.
    let now = chrono::Utc::now() + chrono::Duration::seconds(2);
    let foreseen = foresee(&bench.info, all, now, &bench.cx.scope).await.unwrap().unwrap();
    assert_eq!(bench.contents().await, finals(1..=7), "to look at it changes nothing");
    let swept = sweep(&bench.info, all, now, &bench.cx).await.unwrap().unwrap();
    assert_eq!(swept, foreseen);
    assert!(swept.snapshots.len() >= 6 && swept.objects() > 0, "{swept:?}");
    assert!(Cube::open_at(&bench.info, &bench.cx.scope, &first).await.is_err(), "what went is gone");
    let left = foresee(&bench.info, all, now, &bench.cx.scope).await.unwrap().unwrap();
    // The sweep has the entry of the repository replaced: copies of the one before may go with the next.
    let only_copies = left.deleted.keys().all(|kind| *kind == "overwritten");
    assert!(left.snapshots.is_empty() && only_copies, "{left:?}");
    // What stays is whole, for those who have it open and for those who open it, and goes on.
    assert_eq!(bench.contents().await, finals(1..=7));
    bench.add(8, 9).await;
    assert_eq!(bench.contents().await, finals(1..=9));
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_is_an_error_without_its_secret() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let bench = bucket(port);
    let error = Cube::open(&bench.info, &bench.cx.scope).await.unwrap_err();
    assert_eq!(error.failure().unwrap().kind, frazil_engine::step::ErrorKind::Store);
    assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
}

/// Answers every PUT with success and every GET with 404: a store without conditions.
fn careless() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            std::thread::spawn(move || socket.map(|s| serve(&s)));
        }
    });
    port
}

fn serve(socket: &TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(socket);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if let Some(text) = line.to_lowercase().strip_prefix("content-length:") {
                length = text.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        reader.read_exact(&mut vec![0; length])?;
        let status = if first.starts_with("PUT") { "200 OK\r\nETag: \"1\"" } else { "404 Not Found" };
        write!(&*socket, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")?;
    }
}

#[tokio::test]
async fn a_store_without_conditional_writes_is_refused() {
    let bench = bucket(careless());
    let periods = [day(1)];
    let batch = frazil_engine::step::Batch {
        index: 0,
        periods: frazil_engine::data::Periods {
            dataset: bench.info.id.clone(),
            step: frazil_engine::data::Frequency::Day,
            base: None,
            items: Vec::new(),
            batches: vec![frazil_engine::data::PeriodRange::collect(periods)],
            source: None,
            release: None,
        },
    };
    let error = BatchWriter::begin(&bench.info, &bench.cx.scope, batch).await.unwrap_err();
    assert!(error.to_string().contains("let two writers both succeed"), "{error}");
}
