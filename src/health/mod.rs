//! Gradient health: what a backward pass met that its gradients do not tell.

mod arrivals;
mod report;

pub use arrivals::ArrivalCounts;
pub(crate) use arrivals::{Memory, count_arrivals};

use crate::{Gradients, Network, ParameterKind, Real, Sensitivity, Trace};

/// What backward passes met: where gradients are large or one-sided, what has none, and what remedies
/// did.
///
/// [`backward_batch`](crate::backward_batch) returns it with its summary,
/// [`Network::backward_with`] for one trial; [`Health::merge`] adds up batches, [`Health::report`] puts it in words. It is the same on every
/// engine and for any number of threads. For what to do about it see [`remedy`](crate::remedy).
///
/// ```
/// use eventprop::{BackwardOptions, CrossEntropy, Dense, FirstSpikeTime, Lif, Network, NetworkBuilder, Objective, SpikeTrains};
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut net = NetworkBuilder::new();
/// let input = net.input("input", 1);
/// let output = net.layer("output", Lif::new(2));
/// net.connect(input, output, Dense::weights(9.0).delays(0.0));
/// let net = net.build(&mut ChaCha8Rng::seed_from_u64(1))?;
///
/// let trace = net.forward(&SpikeTrains::from_channels([[1.0, 60.0]])?, 50.0)?;
/// let objective = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(5.0));
/// let (_, _, health) = net.backward_with(&trace, &objective, &0, &BackwardOptions::new())?;
/// assert_eq!(health.layers[0].silent, 0);
/// assert_eq!(health.lost_arrivals, 2); // the second spike comes too late for both neurons
/// assert_eq!(health.delays_at_lower, 2);
/// assert!(health.smallest_slope.unwrap().value > 0.01);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(bound = "F: Real"))]
#[non_exhaustive]
pub struct Health<F = f64> {
    /// The number of backward passes.
    pub trials: usize,
    /// What is counted by layer.
    pub layers: Vec<LayerHealth>,
    /// The spike at which V neared the threshold most slowly, and how fast, in 1/ms: gradients grow with its reciprocal.
    pub smallest_slope: Option<AtSpike<F>>,
    /// The spike of a layer with the largest dL/dt, in 1/ms, of what the loss says and what its arrivals
    /// return; the absolute value. One that is not a number counts as the largest.
    pub largest_adjoint: Option<AtSpike<F>>,
    /// The largest absolute gradient of each block of [`Gradients::layout`], before any clipping. In a
    /// batch, that of the mean gradient. One that is not a number counts as the largest.
    #[cfg_attr(feature = "serde", serde(with = "crate::number::list"))]
    pub largest_gradients: Vec<F>,
    /// See [`Trace::ties`].
    pub ties: usize,
    /// Arrivals as close to a spike of their target, not sent by it, or to the end of its refractory period, as was asked for with
    /// [`BackwardOptions::near_ties`](crate::BackwardOptions::near_ties). Ties are among them. There
    /// another order of events, and so another gradient, is near.
    pub near_ties: usize,
    /// Arrivals at the end of the trial or later, which do nothing: spikes times the synapses whose delay
    /// carries them there.
    pub lost_arrivals: usize,
    /// Delays that are parameters and sit on their lower bound, in the last pass.
    pub delays_at_lower: usize,
    /// Delays that are parameters and sit on their upper bound, in the last pass.
    pub delays_at_upper: usize,
    /// Gradients that [`GradientClip`](crate::remedy::GradientClip) changed.
    pub clipped: usize,
    /// Neurons whose weights [`SilentNeuronLift`](crate::remedy::SilentNeuronLift) or
    /// [`WeightBump`](crate::remedy::WeightBump) raised.
    pub lifted: usize,
}

/// What is counted by layer, over all passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LayerHealth {
    /// Spikes.
    pub spikes: usize,
    /// Trials in which a neuron was silent, over all neurons. Layers that never fire count as well.
    pub silent: usize,
    /// Spikes whose slope was below that of a [`SlopeLimiter`](crate::remedy::SlopeLimiter), which took
    /// its place.
    pub limited: usize,
    /// Spikes to whose gradient a [`SpikeCountRegularizer`](crate::remedy::SpikeCountRegularizer) added.
    pub regularized: usize,
    /// Silent neurons that [`PhantomSpikeTime`](crate::remedy::PhantomSpikeTime) gave a gradient.
    pub phantoms: usize,
}

/// A value at a spike, and which spike that is.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(bound = "F: Real"))]
pub struct AtSpike<F = f64> {
    /// The value.
    #[cfg_attr(feature = "serde", serde(with = "crate::number"))]
    pub value: F,
    /// The sample: its number in the batch, and in the metrics of training that in the set of the epoch, as in errors.
    pub sample: usize,
    /// The layer.
    pub layer: usize,
    /// The neuron.
    pub neuron: usize,
    /// When it fired, in ms.
    pub time: f64,
}

impl<F: Real> Health<F> {
    /// Of no pass yet, through a network with so many layers.
    pub(crate) fn new(layers: usize) -> Self {
        Self { layers: vec![LayerHealth::default(); layers], ..Self::default() }
    }

    /// Makes this what [`Health::new`] returns, in the memory that it has.
    pub(crate) fn clear(&mut self) {
        let Self { layers, largest_gradients, .. } = std::mem::take(self);
        (self.layers, self.largest_gradients) = (layers, largest_gradients);
        self.layers.fill(LayerHealth::default());
        self.largest_gradients.clear();
    }

    /// Gives samples the numbers that they have elsewhere, by those in the batch.
    pub(crate) fn renumber(&mut self, samples: &[usize]) {
        for at in self.smallest_slope.iter_mut().chain(&mut self.largest_adjoint) {
            at.sample = samples.get(at.sample).map_or(at.sample, |&number| number);
        }
    }

    /// Adds the health of other passes through the same network, which came later. Sample numbers stay
    /// those in their batch.
    pub fn merge(&mut self, other: &Self) {
        self.trials += other.trials;
        self.layers.resize(self.layers.len().max(other.layers.len()), LayerHealth::default());
        for (mine, theirs) in self.layers.iter_mut().zip(&other.layers) {
            mine.spikes += theirs.spikes;
            mine.silent += theirs.silent;
            mine.limited += theirs.limited;
            mine.regularized += theirs.regularized;
            mine.phantoms += theirs.phantoms;
        }
        if let Some(theirs) = other.smallest_slope {
            if self.smallest_slope.is_none_or(|mine| theirs.value < mine.value) {
                self.smallest_slope = Some(theirs);
            }
        }
        if let Some(theirs) = other.largest_adjoint {
            if self.largest_adjoint.is_none_or(|mine| exceeds(theirs.value, mine.value)) {
                self.largest_adjoint = Some(theirs);
            }
        }
        let blocks = self.largest_gradients.len().max(other.largest_gradients.len());
        self.largest_gradients.resize(blocks, F::zero());
        for (mine, &theirs) in self.largest_gradients.iter_mut().zip(&other.largest_gradients) {
            *mine = larger(*mine, theirs);
        }
        self.ties += other.ties;
        self.near_ties += other.near_ties;
        self.lost_arrivals += other.lost_arrivals;
        if other.trials > 0 {
            self.delays_at_lower = other.delays_at_lower;
            self.delays_at_upper = other.delays_at_upper;
        }
        self.clipped += other.clipped;
        self.lifted += other.lifted;
    }

    /// Adds a backward pass, which has used up this sensitivity: it holds dL/dt of every spike now.
    pub(crate) fn record(
        &mut self,
        sample: usize,
        trace: &Trace<F>,
        used: &Sensitivity<F>,
        arrivals: ArrivalCounts,
    ) {
        self.trials += 1;
        self.ties += trace.ties;
        self.lost_arrivals += arrivals.lost;
        self.near_ties += arrivals.near_ties;
        for (layer, (fired, used)) in trace.layers.iter().zip(&used.layers).enumerate() {
            let health = &mut self.layers[layer];
            let offsets = fired.spikes.offsets();
            health.spikes += fired.spikes.len();
            health.silent += offsets.windows(2).filter(|w| w[0] == w[1]).count();
            health.phantoms += used.phantom_spikes;
            let limited = |slope: &&F| **slope < used.slope_floor;
            health.limited += fired.slopes.iter().filter(limited).count();
            let at = |(place, value): (usize, F)| AtSpike {
                value,
                sample,
                layer,
                neuron: offsets.partition_point(|&start| start <= place) - 1,
                time: fired.spikes.times()[place],
            };
            let smallest = first(fired.slopes.iter().copied(), |new, old| new < old);
            if let Some(found) = smallest {
                if self.smallest_slope.is_none_or(|s| found.1 < s.value) {
                    self.smallest_slope = Some(at(found));
                }
            }
            let largest = first(used.spike_times.iter().map(|g| g.abs()), exceeds);
            if let Some(found) = largest {
                if self.largest_adjoint.is_none_or(|s| exceeds(found.1, s.value)) {
                    self.largest_adjoint = Some(at(found));
                }
            }
        }
    }

    /// Looks at the parameters and at gradients that are complete.
    pub(crate) fn inspect(&mut self, network: &dyn Network<F>, gradients: &Gradients<F>) {
        let delays = network.parameters();
        let delays = delays.iter().filter(|(_, p)| p.kind == ParameterKind::Delay);
        (self.delays_at_lower, self.delays_at_upper) = (0, 0);
        for (_, p) in delays {
            self.delays_at_lower += p.values.iter().filter(|d| **d <= p.bounds.lower).count();
            self.delays_at_upper += p.values.iter().filter(|d| **d >= p.bounds.upper).count();
        }
        let largest = |values: &[F]| values.iter().fold(F::zero(), |m, g| larger(m, g.abs()));
        self.largest_gradients.clear();
        self.largest_gradients.extend(gradients.blocks().map(|(_, values)| largest(values)));
    }
}

/// The same with other numbers.
pub(crate) fn convert<A: Copy, B>(health: &Health<A>, number: fn(A) -> B) -> Health<B> {
    let spike = |at: AtSpike<A>| AtSpike {
        value: number(at.value),
        sample: at.sample,
        layer: at.layer,
        neuron: at.neuron,
        time: at.time,
    };
    Health {
        trials: health.trials,
        layers: health.layers.clone(),
        smallest_slope: health.smallest_slope.map(spike),
        largest_adjoint: health.largest_adjoint.map(spike),
        largest_gradients: health.largest_gradients.iter().map(|g| number(*g)).collect(),
        ties: health.ties,
        near_ties: health.near_ties,
        lost_arrivals: health.lost_arrivals,
        delays_at_lower: health.delays_at_lower,
        delays_at_upper: health.delays_at_upper,
        clipped: health.clipped,
        lifted: health.lifted,
    }
}

/// Whether a new value is larger than the largest so far. What is not a number is, and stays.
fn exceeds<F: Real>(new: F, old: F) -> bool {
    new > old || (new.is_nan() && !old.is_nan())
}

fn larger<F: Real>(a: F, b: F) -> F {
    if exceeds(b, a) { b } else { a }
}

/// The first extreme value and its position.
fn first<F: Real>(
    values: impl Iterator<Item = F>,
    beats: impl Fn(F, F) -> bool,
) -> Option<(usize, F)> {
    let mut best: Option<(usize, F)> = None;
    for (place, value) in values.enumerate() {
        if best.is_none_or(|(_, old)| beats(value, old)) {
            best = Some((place, value));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_number_is_the_largest_and_stays() {
        let nan = f64::NAN;
        assert_eq!(first([1.0, 3.0, 3.0, 2.0].into_iter(), exceeds), Some((1, 3.0)));
        assert_eq!(first([1.0, nan, f64::INFINITY, nan].into_iter(), exceeds).unwrap().0, 1);
        assert_eq!(first(std::iter::empty::<f64>(), exceeds), None);
        assert!(larger(nan, 1.0).is_nan() && larger(1.0, nan).is_nan());
        assert_eq!(larger(1.0, f64::INFINITY), f64::INFINITY);
    }
}
