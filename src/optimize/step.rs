//! The step of every parameter, on all threads.

use super::Rates;
use crate::parallel::{SEGMENT, for_each};
use crate::{Bounds, Gradients, Network, ParameterKind, ParameterMut, Real};

/// Takes the step of every parameter that is not frozen and that no bound holds, lets weights decay, and updates the
/// network. `kept` are the lists that the optimiser keeps, first that of momentum: a parameter that a bound holds loses
/// it. `step(kept, gradient)` is what is subtracted, in units of the learning rate.
pub(super) fn step_each<F: Real, const N: usize>(
    network: &mut dyn Network<F>,
    gradients: &Gradients<F>,
    rates: &Rates,
    mut kept: [&mut [F]; N],
    step: impl Fn([&mut F; N], F) -> F + Sync,
) {
    let mut segments = Vec::new();
    let few = gradients.values().len() <= SEGMENT;
    let blocks = gradients.blocks();
    for ((owner, ParameterMut { kind, values, bounds }), (_, gradients)) in
        network.parameters_mut().into_iter().zip(blocks)
    {
        let own = kept.each_mut().map(|list| {
            let (own, rest) = std::mem::take(list).split_at_mut(gradients.len());
            *list = rest;
            own
        });
        if rates.freezes(owner, kind) {
            continue;
        }
        let rate = F::of(rates.of(owner, kind));
        let decay = if kind == ParameterKind::Weight { rates.weight_decay } else { 0.0 };
        let decay = F::of(decay);
        let mut own = own.map(|list| list.chunks_mut(SEGMENT));
        let parts = values.chunks_mut(SEGMENT).zip(gradients.chunks(SEGMENT));
        segments.extend(parts.map(|(values, gradients)| {
            let kept = own.each_mut().map(|lists| lists.next().unwrap_or_default());
            Segment { values, gradients, kept, rate, decay, bounds }
        }));
    }
    if few {
        segments.iter_mut().for_each(|segment| segment.step(&step));
    } else {
        for_each(&mut segments, |_, segment| segment.step(&step));
    }
    network.update();
}

/// Parameters of one block, with their gradients and what the optimiser keeps of each.
struct Segment<'a, F, const N: usize> {
    values: &'a mut [F],
    gradients: &'a [F],
    kept: [&'a mut [F]; N],
    rate: F,
    decay: F,
    bounds: Bounds<F>,
}

impl<F: Real, const N: usize> Segment<'_, F, N> {
    /// See [`step_each`].
    fn step(&mut self, step: impl Fn([&mut F; N], F) -> F) {
        let Self { kept, rate, decay, bounds, .. } = self;
        let (rate, decay) = (*rate, *decay);
        for (k, (value, &g)) in self.values.iter_mut().zip(self.gradients).enumerate() {
            if bounds.hold(*value, g) {
                kept[0][k] = F::zero();
                *value = bounds.project(*value - rate * decay * *value);
                continue;
            }
            *value -= rate * (step(kept.each_mut().map(|list| &mut list[k]), g) + decay * *value);
            let inside = bounds.project(*value);
            if *value != inside {
                *value = inside;
                kept[0][k] = F::zero();
            }
        }
    }
}
