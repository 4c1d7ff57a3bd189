//! Networks and inputs of which one number is moved.

use crate::{Network, SpikeTrains, Trace};

/// Makes a copy of a network differ from it in one parameter alone: `None` if a bound that depends on it, such as that of
/// a reset on its threshold, moves another one too.
pub(super) fn move_one(
    network: &dyn Network<f64>,
    copy: &mut dyn Network<f64>,
    (block, index): (usize, usize),
    x: f64,
) -> Option<()> {
    let unmoved = network.parameters();
    for ((_, to), (_, from)) in copy.parameters_mut().into_iter().zip(&unmoved) {
        to.values.copy_from_slice(from.values);
    }
    copy.parameters_mut()[block].1.values[index] = x;
    copy.update();
    let found = copy.parameters();
    let differ = |a: &[f64], b: &[f64]| a.iter().zip(b).filter(|(a, b)| a != b).count();
    let all = found.iter().zip(&unmoved);
    let moved: usize = all.map(|((_, a), (_, b))| differ(a.values, b.values)).sum();
    let stays = found[block].1.values[index] == x;
    let is_center = unmoved[block].1.values[index] == x;
    (stays && moved == usize::from(!is_center)).then_some(())
}

/// The spike trains with one time replaced.
pub(super) fn with_time(input: &SpikeTrains, index: usize, time: f64) -> Option<SpikeTrains> {
    let channel = |k| input.offsets().partition_point(|&start| start <= k) - 1;
    let events = input
        .times()
        .iter()
        .enumerate()
        .map(|(k, &t)| (if k == index { time } else { t }, channel(k)));
    SpikeTrains::from_events(input.channels(), events).ok()
}

/// Whether the same spikes occur, each after the same number of arrivals.
pub(super) fn same_pattern(a: &Trace<f64>, b: &Trace<f64>) -> bool {
    a.layers
        .iter()
        .zip(&b.layers)
        .all(|(a, b)| a.spikes.offsets() == b.spikes.offsets() && a.arrivals == b.arrivals)
}
