//! Spikes, losses and gradients against 40-digit simulations that share no formula with this crate.
//! `tests/oracle/neurons.py` makes those of neurons beyond LIF.

#[path = "../../examples/evaluate/case/mod.rs"]
mod case;

use case::{Answer, Case};
use eventprop::Engine;
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

fn check_gradients(what: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (&a, &b) in found.iter().zip(expected) {
        check(what, a, b, 1e-10, 1e-13);
    }
}

fn check_file(path: &Path, engine: Engine) {
    let text = std::fs::read_to_string(path).unwrap();
    let File { case, answer } = serde_json::from_str(&text).unwrap();
    let found = case.answer(engine).unwrap();
    let name = format!("{}, {engine:?}", path.display());
    let counts = |spikes: &[Vec<Vec<f64>>]| -> Vec<Vec<usize>> {
        spikes.iter().map(|layer| layer.iter().map(Vec::len).collect()).collect()
    };
    assert_eq!(counts(&found.spikes), counts(&answer.spikes), "{name}: spike counts");
    for (a, b) in found.spikes.concat().concat().into_iter().zip(answer.spikes.concat().concat()) {
        check(&format!("{name}: spike"), a, b, 1e-12, 0.0);
    }
    check(&format!("{name}: loss"), found.loss, answer.loss, 1e-12, 1e-13);
    assert_eq!(found.gradients.len(), answer.gradients.len());
    for (k, (a, b)) in found.gradients.iter().zip(&answer.gradients).enumerate() {
        for (what, a, b) in [("weight", &a.weights, &b.weights), ("delay", &a.delays, &b.delays)] {
            let (a, b) = (a.concat(), b.concat());
            let missing =
                |rows: &[Option<f64>]| -> Vec<bool> { rows.iter().map(Option::is_none).collect() };
            assert_eq!(missing(&a), missing(&b), "{name}: projection {k}");
            let present =
                |rows: Vec<Option<f64>>| -> Vec<f64> { rows.into_iter().flatten().collect() };
            check_gradients(&format!("{name}: projection {k}, {what}"), &present(a), &present(b));
        }
    }
    let (a, b) = (found.input_time_gradients.concat(), answer.input_time_gradients.concat());
    check_gradients(&format!("{name}: input time"), &a, &b);
    assert_eq!(found.constants.len(), answer.constants.len());
    for (k, (a, b)) in found.constants.iter().zip(&answer.constants).enumerate() {
        assert!(a.keys().eq(b.keys()), "{name}: layer {k}");
        for (kind, b) in b {
            check_gradients(&format!("{name}: layer {k}, {kind}"), &a[kind], b);
        }
    }
}

#[test]
fn agrees_with_the_oracle() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "json") {
            check_file(&path, Engine::Fast);
            check_file(&path, Engine::Plain);
            files += 1;
        }
    }
    assert!(files >= 20, "only {files} cases found");
}
