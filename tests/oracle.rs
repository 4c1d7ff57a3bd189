//! Spikes, losses and gradients against a 40-digit simulation that shares no formula with this crate.

#[path = "../examples/evaluate/case.rs"]
mod case;

use case::{Answer, Case};
use std::path::Path;

#[derive(serde::Deserialize)]
struct File {
    case: Case,
    answer: Answer,
}

/// Relative error, with an absolute floor for values near zero.
fn check(what: &str, found: f64, expected: f64, relative: f64, absolute: f64) {
    let error = (found - expected).abs();
    assert!(
        error <= absolute.max(relative * expected.abs()),
        "{what}: found {found:e}, expected {expected:e}, error {error:e}"
    );
}

fn check_file(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let File { case, answer } = serde_json::from_str(&text).unwrap();
    let found = case.answer().unwrap();
    let name = path.display();
    let flat = |spikes: &[Vec<Vec<f64>>]| -> Vec<f64> {
        spikes.iter().flatten().flatten().copied().collect()
    };
    let counts = |spikes: &[Vec<Vec<f64>>]| -> Vec<Vec<usize>> {
        spikes.iter().map(|layer| layer.iter().map(Vec::len).collect()).collect()
    };
    assert_eq!(counts(&found.spikes), counts(&answer.spikes), "{name}: spike counts");
    for (a, b) in flat(&found.spikes).into_iter().zip(flat(&answer.spikes)) {
        check(&format!("{name}: spike"), a, b, 1e-12, 0.0);
    }
    check(&format!("{name}: loss"), found.loss, answer.loss, 1e-12, 1e-13);
    assert_eq!(found.gradients.len(), answer.gradients.len());
    for (k, (a, b)) in found.gradients.iter().zip(&answer.gradients).enumerate() {
        for (what, a, b) in [("weight", &a.weights, &b.weights), ("delay", &a.delays, &b.delays)] {
            let (a, b): (Vec<_>, Vec<_>) =
                (a.iter().flatten().collect(), b.iter().flatten().collect());
            assert_eq!(a.len(), b.len());
            for (a, b) in a.into_iter().zip(b) {
                assert_eq!(a.is_some(), b.is_some());
                let (a, b) = (a.unwrap_or(0.0), b.unwrap_or(0.0));
                check(&format!("{name}: projection {k}, {what}"), a, b, 1e-10, 1e-13);
            }
        }
    }
    let flat = |times: &[Vec<f64>]| times.concat();
    let (a, b) = (flat(&found.input_time_gradients), flat(&answer.input_time_gradients));
    assert_eq!(a.len(), b.len());
    for (a, b) in a.into_iter().zip(b) {
        check(&format!("{name}: input time"), a, b, 1e-10, 1e-13);
    }
}

#[test]
fn agrees_with_the_oracle() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "json") {
            check_file(&path);
            files += 1;
        }
    }
    assert!(files >= 3, "only {files} cases found");
}
