//! Derivatives by extrapolation (Ridders 1982).

/// Levels of extrapolation, and the ratio of their steps.
pub(super) const LEVELS: usize = 9;
const RATIO: f64 = 1.6;
/// After so many levels it ends where the estimated error is small enough.
pub(super) const FEWEST_LEVELS: usize = 3;

/// Extrapolates difference quotients, whose error is a series in h^order, to h = 0, until the error is `small` for the
/// result.
pub(super) fn ridders(
    step: f64,
    order: i32,
    (noise, small): (f64, &dyn Fn(f64) -> f64),
    quotient: &mut dyn FnMut(f64) -> Option<f64>,
) -> Option<(f64, f64)> {
    let mut best = (f64::NAN, f64::INFINITY);
    let mut last: Vec<f64> = Vec::new();
    let mut h = step;
    for level in 1..=LEVELS {
        let mut row = vec![quotient(h)?];
        let mut factor = 1.0;
        for (k, previous) in last.iter().enumerate() {
            factor *= RATIO.powi(order);
            let better = (row[k] * factor - previous) / (factor - 1.0);
            let error = (better - row[k]).abs().max((better - previous).abs()) + noise / h;
            if error < best.1 {
                best = (better, error);
            }
            row.push(better);
        }
        if level >= FEWEST_LEVELS && best.1 <= small(best.0.abs()) {
            break;
        }
        last = row;
        h /= RATIO;
    }
    Some(best)
}
