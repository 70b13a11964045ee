//! Files that would exhaust whoever reads them: each is refused by a coded problem, soon.

use frazil_engine::project::{Checked, LoadOptions, load};
use frazil_tests::sandbox::Sandbox;

const HEAD: &str = "frazil: 1\nid: rain\n";

/// What is said of one pipeline file.
fn checked(text: &str) -> (Vec<&'static str>, Checked) {
    let sandbox = Sandbox::new(&[("frazil.yaml", "frazil: 1\n"), ("pipelines/rain.yaml", text)]);
    let options = LoadOptions { folder: sandbox.path(""), ..LoadOptions::default() };
    let checked = load(&options, &frazil_steps::registry());
    (checked.problems.iter().map(|p| p.code).collect(), checked)
}

fn codes(text: &str) -> Vec<&'static str> {
    checked(text).0
}

fn many(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect()
}

#[test]
fn a_file_has_a_size() {
    let filler = format!("# {}\n", "x".repeat(77)).repeat(14_000);
    assert!(filler.len() > 1024 * 1024);
    assert_eq!(codes(&format!("{HEAD}{filler}steps: {{}}\n")), ["FZ001"]);
    // A little less is read.
    let text = format!("{HEAD}{}steps: {{}}\n", &filler[..filler.len() - 160_000]);
    assert_eq!(codes(&text), [""; 0]);
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let sandbox = Sandbox::new(&[
        ("frazil.yaml", "frazil: 1\n"),
        ("pipelines/a.yaml", "frazil: 1\nid: a\nsteps: {}\n"),
    ]);
    let made = std::process::Command::new("mkfifo").arg(sandbox.path("pipelines/b.yaml")).status();
    assert!(made.unwrap().success());
    let (said, _) = sandbox.fail(1, &["check"]);
    assert!(said.contains("cannot read pipelines/b.yaml: it is no file"), "{said}");
}

#[test]
fn a_link_back_is_followed_once() {
    let sandbox = Sandbox::new(&[
        ("frazil.yaml", "frazil: 1\n"),
        ("pipelines/a.yaml", "frazil: 1\nid: a\nsteps: {}\n"),
    ]);
    std::os::unix::fs::symlink(".", sandbox.path("pipelines/again")).unwrap();
    sandbox.succeed(&["check"]);
    sandbox.succeed(&["check", "pipelines"]);
}

#[test]
fn nesting_has_a_depth() {
    for (open, close) in [("[", "]"), ("{ a: ", " }"), ("- ", "")] {
        for close in [close, ""] {
            let text = format!("{HEAD}x-deep: \n  {}1{}\n", open.repeat(10_000), close.repeat(10_000));
            assert_eq!(codes(&text), ["FZ008"], "{open}{close}");
        }
    }
    let indented: String = many(200, |n| format!("{}a:\n", " ".repeat(n + 2)));
    assert_eq!(codes(&format!("{HEAD}x-deep:\n{indented}")), ["FZ008"]);
    let good = format!("{HEAD}x-deep: {}1{}\nsteps: {{}}\n", "[".repeat(25), "]".repeat(25));
    assert_eq!(codes(&good), [""; 0]);
}

#[test]
fn a_file_stands_for_so_much_and_no_more() {
    assert_eq!(codes(&format!("{HEAD}x-list: [{}]\n", "1, ".repeat(60_000))), ["FZ009"]);
    // Ten of ten of ten: small to read, large to hold.
    let bomb = many(8, |n| match n {
        0 => "x-0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(),
        n => format!("x-{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", ")),
    });
    assert_eq!(codes(&format!("{HEAD}{bomb}")), ["FZ009"]);
    // The same by merging maps.
    let merged = many(5_000, |n| format!("x-{n}: {{ <<: *b, a{n}: 1 }}\n"));
    let wide = many(200, |n| format!("k{n}: 1, "));
    assert_eq!(codes(&format!("{HEAD}x-b: &b {{ {wide} }}\n{merged}")), ["FZ009"]);
}

#[test]
fn equal_keys_in_a_very_long_map_are_found_soon() {
    let keys = many(20_000, |n| format!("  k{}: 1\n", n % 19_990));
    let (codes, _) = checked(&format!("{HEAD}x-map:\n{keys}steps: {{}}\n"));
    assert_eq!(codes, ["FZ004"; 10]);
}

#[test]
fn a_file_holds_so_many_of_each() {
    let steps =
        |count| many(count, |n| format!("  s{n}: {{ uses: enumerate-periods, with: {{ dataset: d }} }}\n"));
    let params = |count| many(count, |n| format!("  p{n}: {{ type: int, default: 1 }}\n"));
    let datasets = |count| many(count, |n| format!("  d{n}: {{ title: D, time: none }}\n"));
    let head = format!("{HEAD}datasets:\n  d: {{ title: D, time: {{ step: P1D, start: \"2024\" }} }}\n");
    assert_eq!(codes(&format!("{head}steps:\n{}", steps(1_000))), [""; 0]);
    assert_eq!(codes(&format!("{head}steps:\n{}", steps(1_001))), ["FZ127"]);
    assert_eq!(codes(&format!("{HEAD}params:\n{}steps: {{}}\n", params(201))), ["FZ127"]);
    assert_eq!(codes(&format!("{HEAD}datasets:\n{}steps: {{}}\n", datasets(1_001))), ["FZ127"]);
    assert_eq!(codes(&format!("{HEAD}triggers:\n{}steps: {{}}\n", "  - http: {}\n".repeat(101))), ["FZ127"]);
}

/// Each step after the next: what is read through a thousand steps is gathered once.
#[test]
fn a_long_chain_against_the_order_of_the_file_is_checked_soon() {
    let chain = many(990, |n| {
        format!(
            "  s{n}: {{ uses: derived-resample, needs: s{}, with: {{ dataset: d{n}, method: max }} }}\n",
            n + 1
        )
    });
    let datasets = many(990, |n| format!("  d{n}: {{ title: D, time: {{ step: P1M }} }}\n"));
    let text = format!(
        "{HEAD}datasets:\n  start: {{ title: S, time: {{ step: P1D }}, external: \"https://data.example.org/s\" }}\n{datasets}steps:\n{chain}  s990: {{ uses: open-dataset, with: {{ dataset: start }} }}\n"
    );
    // Months of months are no windows; nothing else is wrong.
    let codes = codes(&text);
    assert!(codes[..100].iter().all(|code| *code == "FZ523") && codes[100] == "FZ010", "{codes:?}");
}

#[test]
fn problems_are_shown_up_to_a_number() {
    let keys = many(150, |n| format!("wrong-{n}: 1\n"));
    let (codes, checked) = checked(&format!("{HEAD}steps: {{}}\n{keys}"));
    assert_eq!(codes.len(), 101);
    assert!(codes[..100].iter().all(|code| *code == "FZ101") && codes[100] == "FZ010", "{codes:?}");
    assert_eq!(checked.problems[100].message, "50 more problems in this file are not shown");
    // A file of nothing but mistakes is not looked at to its end.
    let keys = many(20_000, |n| format!("wrong-{n}: 1\n"));
    assert_eq!(self::codes(&format!("{HEAD}steps: {{}}\n{keys}")).len(), 101);
}

#[test]
fn an_expression_has_a_length() {
    let step = |text: &str| {
        format!(
            "{HEAD}datasets:\n  d: {{ title: D, time: {{ step: P1D }} }}\nsteps:\n  m: {{ uses: enumerate-periods, with: {{ dataset: d, start: \"{text}\" }} }}\n"
        )
    };
    let long = format!("{{{{ '{}' }}}}", "2".repeat(5_000));
    assert_eq!(codes(&step(&long)), ["FZ409"]);
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(1_900), ")".repeat(1_900));
    assert_eq!(codes(&step(&deep)), ["FZ401"]);
    // What is only silly is evaluated.
    for text in ["-".repeat(4_000), "not ".repeat(1_000)] {
        assert_eq!(codes(&step(&format!("{{{{ {text}1 }}}}"))), ["FZ113"], "{text}");
    }
}
