//! How much clients may take.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

use frazil_tests::serving::Serving;

use super::access::{project, raw, token};

fn connect(serving: &Serving) -> TcpStream {
    let stream = TcpStream::connect(serving.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

const ASK: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[test]
fn what_is_too_long_is_refused_before_it_is_read() {
    let sandbox = project("serve: { limits: { body: 2KiB, uri: 300B } }");
    let serving = Serving::start(&sandbox);
    let refused = serving.ask("POST", "/", &[], &[b' '; 4 << 10]).expect(413);
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert_eq!(refused.json()["status"], 413);
    let refused = serving.get(&format!("/zarr/{}", "x".repeat(300))).expect(414);
    assert_eq!(refused.json()["title"], "URI Too Long");
    drop(serving.get(&format!("/zarr/open_rain/{}", "x".repeat(200))).expect(404));
    // The head as a whole, which never comes to an end.
    let many = "X-Padding: ".to_owned() + &"x".repeat(100 << 10);
    assert_eq!(raw(&serving, &format!("GET / HTTP/1.1\nHost: localhost\n{many}")).0, 431);
    let refused = serving.ask("DELETE", "/", &[], b"").expect(405);
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert_eq!(refused.header("allow"), Some("GET,HEAD"));
}

#[test]
fn who_says_nothing_loses_its_place_to_the_next() {
    let sandbox = project("serve: { limits: { header: 1s, connections: 1 } }");
    let serving = Serving::start(&sandbox);
    let mut first = connect(&serving);
    first.write_all(b"GET / HTTP/1.1\r\nHost: loc").unwrap();
    let mut second = connect(&serving);
    second.write_all(ASK).unwrap();
    // There is one place, and the first holds it.
    second.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let waits = second.read(&mut [0; 9]).unwrap_err();
    assert!(matches!(waits.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{waits}");
    second.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut answer = String::new();
    second.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    let mut rest = Vec::new();
    first.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "it was left");
    // Neither does one that asked once and then keeps the connection.
    let mut idle = connect(&serving);
    idle.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    idle.read_exact(&mut [0; 12]).unwrap();
    let mut next = connect(&serving);
    next.write_all(ASK).unwrap();
    next.read_exact(&mut [0; 12]).unwrap();
}

#[test]
fn who_asks_too_often_is_told_when_to_come_back() {
    let sandbox = project("serve: { limits: { requests: 1/h } }");
    let serving = Serving::start(&sandbox);
    for _ in 0..3 {
        drop(serving.get("/").expect(200));
    }
    drop(serving);
    let (ada, bob) = (token(&sandbox, "ada", "viewer"), token(&sandbox, "bob", "viewer"));
    let serving = Serving::start(&sandbox);
    let asks = |token: &str| serving.ask("GET", "/", &[("Authorization", &format!("Bearer {token}"))], b"");
    drop(asks(&ada).expect(200));
    let refused = asks(&ada).expect(429);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((3_500..=3_600).contains(&wait), "{wait}");
    assert_eq!(refused.json()["status"], 429);
    drop(asks(&bob).expect(200));
    // Those without one share their address, whatever they claim.
    drop(asks("frazil_wrong").expect(401));
    drop(asks("frazil_other").expect(429));
    drop(serving.ask("GET", "/", &[("X-Forwarded-For", "198.51.100.9")], b"").expect(429));
}
