//! What tests of engines have in common: outputs, input, and when two engines agree.

use crate::support::Neurons;
use eventprop::{Gradients, NetworkBuilder, Real, SpikeTrains, Trace};
use proptest::prelude::*;
use rand::{RngExt, rngs::ChaCha8Rng};

/// Two neurons that a hidden layer drives, and that fire or not.
pub fn output_layer<F: Real>(net: &mut NetworkBuilder<F>, neurons: &Neurons, fires: bool) -> usize {
    if fires {
        net.layer("output", neurons.driven().lif(2))
    } else {
        net.layer("output", neurons.driven().integrator(2))
    }
}

/// So many spikes of so many channels within a time; on a grid of `quantum` ms, if there is one: many ties.
pub fn random_trains(
    rng: &mut ChaCha8Rng,
    (spikes, channels): (usize, usize),
    span: f64,
    quantum: Option<f64>,
) -> SpikeTrains {
    let events = (0..spikes).map(|_| {
        let time = rng.random::<f64>() * span;
        let time = quantum.map_or(time, |q| (time / q).floor() * q);
        (time, rng.random_range(0..channels))
    });
    SpikeTrains::from_events(channels, events.collect::<Vec<_>>()).unwrap()
}

/// The smallest slope of a potential at a spike.
pub fn least_slope<F: Real>(trace: &Trace<F>) -> f64 {
    let slopes = (0..trace.layers()).flat_map(|l| trace.slopes(l).iter().copied());
    slopes.map(Real::as_f64).fold(f64::INFINITY, f64::min)
}

/// How far gradients may differ, relative to the largest: a flat crossing amplifies rounding by the square of its slope,
/// whatever the engine.
pub fn relative_of_gradients(least_slope: f64) -> f64 {
    1e-9 * (1.0 + 1e-6 / (least_slope * least_slope))
}

/// Holds two traces to the same spikes, in the same order, at times that differ by less than this share.
pub fn same_spikes<F: Real>(
    one: &Trace<F>,
    plain: &Trace<F>,
    relative: f64,
) -> Result<(), TestCaseError> {
    for layer in 0..plain.layers() {
        prop_assert_eq!(one.spikes(layer).offsets(), plain.spikes(layer).offsets());
        for (a, b) in one.spikes(layer).times().iter().zip(plain.spikes(layer).times()) {
            prop_assert!((a - b).abs() <= relative * b, "{a} against {b}");
        }
    }
    Ok(())
}

/// Holds all gradients to differences within what `bound` allows where the largest of a block is so large.
pub fn same_gradients<F: Real>(
    one: &Gradients<F>,
    plain: &Gradients<F>,
    bound: impl Fn(f64) -> f64,
) -> Result<(), TestCaseError> {
    let blocks = one.blocks().zip(plain.blocks()).map(|((b, x), (_, y))| (b.owner.as_str(), x, y));
    let times = ("input times", &one.input_times[..], &plain.input_times[..]);
    for (name, one, plain) in blocks.chain([times]) {
        let largest = plain.iter().fold(0.0, |m: f64, g| m.max(g.as_f64().abs()));
        for (a, b) in one.iter().zip(plain) {
            let off = (*a - *b).abs().as_f64();
            prop_assert!(off <= bound(largest), "{name}: {a} against {b}");
        }
    }
    Ok(())
}
