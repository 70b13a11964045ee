//! Where everybody begins.

use frazil_tests::{sandbox::Sandbox, serving::Serving};

#[test]
fn a_project_without_pipelines_is_served() {
    let sandbox = Sandbox::new(&[("frazil.yaml", "frazil: 1\nid: shore\ntitle: Ice at the shore\n")]);
    let serving = Serving::start(&sandbox);
    let landing = serving.get("/").expect(200).json();
    assert_eq!(landing["title"], "Ice at the shore");
    assert_eq!(serving.ask("HEAD", "/", &[], b"").expect(200).body, b"");
    let problem = serving.get("/nothing").expect(404);
    assert_eq!(problem.header("content-type"), Some("application/problem+json"));
    assert!(serving.stop().code().is_some());
}
