//! `docs/derivation.md` names, after each block of formulas, the tests that hold it. Here: that it does, and that
//! they exist.

use std::collections::BTreeSet;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The (file, test) pairs in a text, written `file::test` in backticks.
fn named(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split('`').skip(1).step_by(2).filter_map(|code| {
        let (file, test) = code.split_once(".rs::")?;
        Some((&code[..file.len() + 3], test))
    })
}

/// Whether a file has this test: the attribute, perhaps others or comments, then the function.
fn has_test(source: &str, test: &str) -> bool {
    let mut after_attribute = false;
    for line in source.lines().map(str::trim) {
        match line {
            "#[test]" => after_attribute = true,
            _ if line.starts_with("#[") || line.starts_with("//") => {}
            _ if after_attribute && line.starts_with(&format!("fn {test}(")) => return true,
            _ => after_attribute = false,
        }
    }
    false
}

#[test]
fn every_block_of_formulas_names_tests_that_exist() {
    let document = read("docs/derivation.md");
    // Prose and code blocks in turn.
    let parts: Vec<&str> = document.split("```").collect();
    assert!(parts.len() > 51 && parts.len() % 2 == 1, "{} parts", parts.len());
    for pair in parts[1..].chunks(2) {
        let [formulas, prose] = pair else { unreachable!() };
        assert!(formulas.starts_with("text\n"), "{formulas}");
        let section = prose.split("\n## ").next().unwrap();
        assert!(named(section).count() > 0, "nothing is said to check\n{formulas}");
    }
    let all: BTreeSet<(&str, &str)> = parts.iter().step_by(2).flat_map(|p| named(p)).collect();
    for (file, test) in all {
        assert!(has_test(&read(file), test), "there is no test `{test}` in {file}");
    }
}

#[test]
fn what_is_no_test_is_found_out() {
    let source = "#[test]\n// Why.\nfn one() {}\nfn two() {}\n#[test]\nstruct A;\nfn three() {}";
    let found = ["one", "two", "three", "on"].map(|name| has_test(source, name));
    assert_eq!(found, [true, false, false, false]);
    let text = "`a/b.rs::one`, `Type::method`, `c.rs` and `d.rs::two`";
    assert_eq!(named(text).collect::<Vec<_>>(), [("a/b.rs", "one"), ("d.rs", "two")]);
}
