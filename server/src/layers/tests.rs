use axum::{
    body::{Body, Bytes, to_bytes},
    http::Request,
};
use frazil_engine::{
    data::Size,
    store::{Token, TokenRole, Tokens},
};
use futures::{StreamExt, stream};
use tower::ServiceExt as _;

use super::*;
use crate::{
    api::{Operation, Role},
    auth::{Caller, mint},
};

/// Addresses of all roles, one that never answers, one that streams, and one that takes content.
fn addresses() -> Routes {
    let of = |id, role| Operation::new(id, "test", "for a test", role);
    let streams = async || {
        let late = stream::once(async {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            Ok::<_, std::io::Error>("late")
        });
        Body::from_stream(stream::once(async { Ok("first, ") }).chain(late))
    };
    let who =
        async |caller: axum::Extension<Caller>| caller.name.clone().map_or(String::new(), |n| n.to_string());
    Routes::default()
        .get("/anyone", of("a", Role::Anyone), async || "anyone")
        .get("/viewer", of("b", Role::Viewer), async || "viewer")
        .on(Method::POST, "/viewer", of("c", Role::Operator), who)
        .on(Method::DELETE, "/viewer", of("d", Role::Admin), async || "admin")
        .get("/of/{dataset}/x", of("e", Role::Viewer), async || "of a dataset")
        .on(Method::POST, "/of/{dataset}/x", of("f", Role::Operator), async || "changed")
        .get("/hangs", of("g", Role::Anyone), std::future::pending::<()>)
        .get("/streams", of("h", Role::Anyone), streams)
        .on(Method::POST, "/takes", of("i", Role::Anyone), async |body: Bytes| body.len().to_string())
}

struct Stand {
    router: Router,
    folder: tempfile::TempDir,
}

async fn stand(limits: &Limits) -> Stand {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("frazil.yaml"), "frazil: 1\n").unwrap();
    let app = crate::testing::app(folder.path()).await;
    Stand { router: dress(&addresses(), &app, limits), folder }
}

impl Stand {
    async fn token(&self, role: TokenRole, expires: Option<chrono::DateTime<chrono::Utc>>) -> String {
        let minted = mint().unwrap();
        let created = chrono::Utc::now();
        let name = format!("of-{role}-{}", expires.is_some());
        let token = Token { name, digest: minted.digest, role, created, expires, revoked: None };
        let tokens = Tokens::in_folder(&self.folder.path().join(".frazil"));
        assert!(tokens.create(token).await.unwrap());
        format!("Bearer {}", minted.token.expose())
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Body) -> (u16, String) {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn status(&self, method: &str, path: &str, token: &str) -> u16 {
        let headers = [("authorization", token)];
        let headers = if token.is_empty() { &[][..] } else { &headers };
        self.ask(method, path, headers, Body::empty()).await.0
    }
}

#[tokio::test]
async fn each_role_does_what_it_may_and_no_more() {
    let stand = stand(&Limits::default()).await;
    let asks = [
        ("GET", "/anyone"),
        ("GET", "/viewer"),
        ("HEAD", "/viewer"),
        ("POST", "/viewer"),
        ("DELETE", "/viewer"),
        ("GET", "/of/nothing/x"),
        ("POST", "/of/nothing/x"),
        ("PUT", "/viewer"),
        ("GET", "/nothing"),
    ];
    let mut tokens = vec![String::new()];
    for role in TokenRole::ALL {
        tokens.push(stand.token(role, None).await);
    }
    tokens.push(stand.token(TokenRole::Admin, Some(chrono::DateTime::UNIX_EPOCH)).await);
    let expected = [
        [200, 401, 401, 401, 401, 401, 401, 405, 404],
        [200, 200, 200, 403, 403, 200, 403, 405, 404],
        [200, 200, 200, 200, 403, 200, 200, 405, 404],
        [200, 200, 200, 200, 200, 200, 200, 405, 404],
        // One that has ended.
        [401, 401, 401, 401, 401, 401, 401, 401, 401],
    ];
    for (token, expected) in tokens.iter().zip(expected) {
        let mut found = Vec::new();
        for (method, path) in asks {
            found.push(stand.status(method, path, token).await);
        }
        assert_eq!(found, expected, "{token:.8}");
    }
    let (_, said) = stand.ask("DELETE", "/viewer", &[("authorization", &tokens[2])], Body::empty()).await;
    assert!(said.contains("this needs the role `admin`"), "{said}");
    let (_, who) = stand.ask("POST", "/viewer", &[("authorization", &tokens[2])], Body::empty()).await;
    assert_eq!(who, "of-operator-false", "a run says who started it");
}

#[tokio::test]
async fn who_is_alone_on_the_machine_is_asked_nothing_unless_it_is_a_page_of_another_site() {
    let stand = stand(&Limits { requests: "1/h".to_owned(), ..Limits::default() }).await;
    for _ in 0..3 {
        assert_eq!(stand.status("DELETE", "/viewer", "").await, 200);
    }
    let foreign = [("origin", "https://evil.example")];
    assert_eq!(stand.ask("POST", "/viewer", &foreign, Body::empty()).await.0, 403);
    assert_eq!(stand.ask("GET", "/viewer", &foreign, Body::empty()).await.0, 403);
    assert_eq!(stand.ask("GET", "/anyone", &foreign, Body::empty()).await.0, 200);
    assert_eq!(stand.status("GET", "/anyone", "Bearer frazil_made-up").await, 401);
}

#[tokio::test]
async fn state_that_cannot_be_read_lets_nobody_in() {
    let stand = stand(&Limits::default()).await;
    let state = stand.folder.path().join(".frazil");
    std::fs::write(state.join("other"), "this is no database, and longer than a header".repeat(99)).unwrap();
    for rest in ["runs.sqlite-wal", "runs.sqlite-shm"] {
        std::fs::remove_file(state.join(rest)).unwrap();
    }
    std::fs::rename(state.join("other"), state.join("runs.sqlite")).unwrap();
    let (status, said) = stand.ask("GET", "/viewer", &[], Body::empty()).await;
    assert_eq!(status, 503, "{said}");
    assert!(said.contains("nobody is let in") && !said.contains("runs.sqlite"), "{said}");
}

#[tokio::test]
async fn an_answer_that_does_not_begin_is_given_up_and_one_that_began_is_not() {
    let stand =
        stand(&Limits { answer: frazil_engine::data::Duration::from_millis(1), ..Limits::default() }).await;
    let (status, said) = stand.ask("GET", "/hangs", &[], Body::empty()).await;
    assert_eq!(status, 503, "{said}");
    assert!(said.contains("\"status\":503"), "{said}");
    assert_eq!(stand.ask("GET", "/streams", &[], Body::empty()).await, (200, "first, late".to_owned()));
}

#[tokio::test]
async fn content_is_taken_up_to_the_limit_whatever_it_says_of_its_length() {
    for limit in [2_000, 3 << 20] {
        let stand = stand(&Limits { body: Size::from_bytes(limit), ..Limits::default() }).await;
        let limit = usize::try_from(limit).unwrap();
        let of = |length: usize| {
            // In pieces, as content whose length is not said.
            let pieces = vec![0; length].chunks(1_000).map(<[u8]>::to_vec).collect::<Vec<_>>();
            Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>)))
        };
        assert_eq!(stand.ask("POST", "/takes", &[], of(limit)).await, (200, limit.to_string()));
        let (status, said) = stand.ask("POST", "/takes", &[], of(limit + 1)).await;
        assert_eq!(status, 413, "{said}");
        assert!(said.contains("\"status\":413"), "{said}");
    }
}
