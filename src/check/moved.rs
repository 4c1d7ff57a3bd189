//! Networks and inputs of which one number is moved.

use crate::{Network, Parameter, SpikeTrains, Trace};

/// Makes a copy of a network differ from it in one parameter alone: `None` if a bound that depends on it, such as that of
/// a reset on its threshold, moves another one too.
pub(super) fn move_one(
    network: &dyn Network<f64>,
    copy: &mut dyn Network<f64>,
    (block, index): (usize, usize),
    x: f64,
) -> Option<()> {
    let unmoved = network.parameters();
    let wanted =
        |at: (usize, usize)| if at == (block, index) { x } else { unmoved[at.0].1.values[at.1] };
    for (number, (_, parameter)) in copy.parameters_mut().into_iter().enumerate() {
        parameter.values.iter_mut().enumerate().for_each(|(k, v)| *v = wanted((number, k)));
    }
    copy.update();
    let mut found = copy.parameters().into_iter().enumerate();
    let is_wanted = |(number, (_, parameter)): (usize, (&str, Parameter<'_, f64>))| {
        parameter.values.iter().enumerate().all(|(k, v)| *v == wanted((number, k)))
    };
    found.all(is_wanted).then_some(())
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
