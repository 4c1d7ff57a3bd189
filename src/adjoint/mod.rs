//! The backward pass: EventProp with delays, exact.
//!
//! Every neuron carries p = dL/dstate backwards through its events. At an arrival p is read, which
//! gives dL/dw, dL/dd and what the spike that arrives contributes to its dL/dt. At a spike that sum
//! enters p by a rank-one update (Mészáros, Knight, Nowotny 2025, eqs. 7-11, in the form of
//! `docs/derivation.md`, for V and the currents).

mod deferred;
mod error;
mod neuron;

pub use deferred::Deferred;
pub(crate) use deferred::Sums;
pub use error::AdjointError;
pub(crate) use neuron::Neuron;

use crate::fast::{self, Seen};
use crate::light;
use crate::network::{Engine, Origin, Scratch, Taken};
use crate::replay::Event;
use crate::{Gradients, PotentialSensitivity, Real, Sensitivity, SpikingNetwork, Trace};
use smallvec::SmallVec;
use std::collections::BinaryHeap;

pub(crate) fn check_trace<F: Real>(
    network: &SpikingNetwork<F>,
    trace: &Trace<F>,
) -> Result<(), AdjointError> {
    if trace.version == Some(network.version) { Ok(()) } else { Err(AdjointError::StaleTrace) }
}

/// dL/dt of every spike so far.
#[derive(Default)]
pub(crate) struct Times<F> {
    pub layers: Vec<Vec<F>>,
    input: Vec<F>,
    /// If not, those of the input need not be complete.
    wants_input: bool,
}

impl<F> Times<F> {
    /// Those of a population.
    pub fn of(&mut self, origin: Origin) -> &mut [F] {
        match origin {
            Origin::Input { .. } => &mut self.input,
            Origin::Layer(layer) => &mut self.layers[layer],
        }
    }

    /// Whether those of a population are needed.
    pub fn wants(&self, origin: Origin) -> bool {
        self.wants_input || matches!(origin, Origin::Layer(_))
    }
}

/// What the adjoint pass needs; kept for its memory.
#[derive(Default)]
pub(crate) struct Memory<F> {
    times: Times<F>,
    /// The loss's dependence on potentials, by layer.
    potentials: Vec<Vec<PotentialSensitivity<F>>>,
    /// What stands in for smaller slopes; by layer.
    slope_floors: Vec<F>,
    /// The neurons that are differentiated together.
    neurons: Vec<Neuron<F>>,
    /// (bits of time, order at one time, neuron) of each neuron's last event.
    queue: BinaryHeap<(u64, u32, usize)>,
}

/// Adds the gradients of a loss, given its sensitivity to spike times and potentials: those by input times, if they are
/// wanted, to `gradients`, all others to what is deferred, which is empty after an error.
pub(crate) fn defer<F: Real>(
    network: &SpikingNetwork<F>,
    trace: &Trace<F>,
    sensitivity: &mut Sensitivity<F>,
    (gradients, wants_input_times): (&mut Gradients<F>, bool),
    deferred: &mut Deferred<F>,
) -> Result<(), AdjointError> {
    gradients.input_times.clear();
    let done = add(network, trace, sensitivity, (gradients, wants_input_times), deferred);
    if done.is_err() {
        deferred.clear();
    }
    done
}

fn add<F: Real>(
    network: &SpikingNetwork<F>,
    trace: &Trace<F>,
    sensitivity: &mut Sensitivity<F>,
    (gradients, wants_input_times): (&mut Gradients<F>, bool),
    deferred: &mut Deferred<F>,
) -> Result<(), AdjointError> {
    check_trace(network, trace)?;
    check_sensitivity(network, trace, sensitivity)?;
    check_layout(network, gradients)?;
    let sums = deferred.of(network)?;
    let scratch = &mut *network.scratch.take();
    let memory = &mut scratch.adjoint;
    memory.begin(network, trace, sensitivity, wants_input_times);
    memory.swap(sensitivity);
    let mut groups = network.groups.iter().rev();
    let done = groups
        .try_for_each(|group| differentiate(network, trace, group, sums, scratch).map(|_| ()));
    let memory = &mut scratch.adjoint;
    memory.swap(sensitivity);
    if wants_input_times && done.is_ok() {
        gradients.input_times.extend_from_slice(&memory.times.input);
    }
    done
}

fn check_layout<F: Real>(
    network: &SpikingNetwork<F>,
    gradients: &Gradients<F>,
) -> Result<(), AdjointError> {
    if gradients.layout() == network.layout { Ok(()) } else { Err(AdjointError::Layout) }
}

/// Gradients by projection and by population, as they are gathered.
pub(crate) struct Gathered<'a, F> {
    pub weights: &'a mut [Vec<F>],
    pub delays: &'a mut [Vec<F>],
    pub constants: &'a mut [Vec<F>],
    /// What the fast engine has read, by projection.
    pub seen: &'a mut [Seen<F>],
    pub times: &'a mut Times<F>,
    /// By layer: what stands in for smaller slopes.
    pub slope_floors: &'a [F],
}

impl<'a, F: Real> Gathered<'a, F> {
    fn new(sums: &'a mut Sums<F>, times: &'a mut Times<F>, slope_floors: &'a [F]) -> Self {
        let Sums { weights, delays, constants, seen, .. } = sums;
        Self { weights, delays, constants, seen, times, slope_floors }
    }
}

/// Takes the adjoint back through a group of layers; what did it.
pub(crate) fn differentiate<F: Real>(
    network: &SpikingNetwork<F>,
    trace: &Trace<F>,
    group: &[usize],
    sums: &mut Sums<F>,
    scratch: &mut Scratch<F>,
) -> Result<Taken, AdjointError> {
    let Scratch { adjoint: memory, light, fast, .. } = scratch;
    for &layer in group {
        check_slopes(network, trace, layer, memory.slope_floors[layer])?;
    }
    let recurrent = network.is_recurrent(group);
    if network.engine == Engine::Fast {
        let Memory { times, potentials, slope_floors, .. } = memory;
        let mut gathered = Gathered::new(sums, times, slope_floors);
        let potentials = potentials.as_slice();
        let alone = group.first().copied().filter(|_| !recurrent);
        let (input, layers) = (&trace.input, &trace.layers);
        let small = alone.filter(|&layer| light::is_small(network, layer, input, layers));
        let mut lightly = |layer: usize, gathered: &mut Gathered<'_, F>| {
            light::backward(network, trace, layer, &potentials[layer], gathered, light)
        };
        let mut done = small.and_then(|layer| lightly(layer, &mut gathered));
        let mut taken = Taken::Lightly;
        if done.is_none() {
            taken = Taken::InBuckets;
            done =
                fast::backward(network, trace, group, recurrent, potentials, &mut gathered, fast);
        }
        if let (None, Some(layer)) = (&done, alone) {
            taken = Taken::Lightly;
            done = lightly(layer, &mut gathered);
        }
        if done.is_some() {
            return Ok(taken);
        }
    }
    Backward { network, trace, sums, memory }.group(group, recurrent)?;
    Ok(Taken::Plainly)
}

impl<F: Real> Memory<F> {
    /// Makes room for all spikes and layers, and takes over the floors of slopes.
    pub fn begin(
        &mut self,
        network: &SpikingNetwork<F>,
        trace: &Trace<F>,
        sensitivity: &Sensitivity<F>,
        wants_input_times: bool,
    ) {
        self.times.wants_input = wants_input_times;
        self.times.input.clear();
        self.times.input.resize(trace.input.len(), F::zero());
        self.slope_floors.clear();
        self.slope_floors.extend(sensitivity.layers.iter().map(|layer| layer.slope_floor));
        let layers = network.layers.len();
        self.times.layers.resize_with(layers, Vec::new);
        self.potentials.resize_with(layers, Vec::new);
    }

    /// Takes what a sensitivity consists of, or gives it back.
    pub fn swap(&mut self, sensitivity: &mut Sensitivity<F>) {
        let own = self.times.layers.iter_mut().zip(&mut self.potentials);
        for ((times, potentials), layer) in own.zip(&mut sensitivity.layers) {
            std::mem::swap(times, &mut layer.spike_times);
            std::mem::swap(potentials, &mut layer.potentials);
        }
    }
}

fn check_sensitivity<F: Real>(
    network: &SpikingNetwork<F>,
    trace: &Trace<F>,
    sensitivity: &Sensitivity<F>,
) -> Result<(), AdjointError> {
    let wrong =
        |what, found, expected: String| Err(AdjointError::Sensitivity { what, found, expected });
    sensitivity.check(trace)?;
    for (layer, terms) in sensitivity.layers.iter().enumerate() {
        let size = network.layers[layer].layer.size();
        for term in &terms.potentials {
            if term.neuron() >= size {
                return wrong("a neuron", term.neuron() as f64, format!("below {size}"));
            }
            if let PotentialSensitivity::At { time, .. }
            | PotentialSensitivity::AtArrival { time, .. } = *term
            {
                if !(0.0..=trace.duration).contains(&time) {
                    return wrong("a time", time, format!("in [0, {}] ms", trace.duration));
                }
            }
            if let PotentialSensitivity::Integral { neuron, rate, .. } = *term {
                let model = network.layers[layer].layer.as_ref();
                let has_integral = || {
                    let mut rest = SmallVec::<[F; 8]>::from_elem(F::zero(), model.state_len());
                    model.rest(neuron, &mut rest);
                    model.integral(neuron, &rest, F::of(trace.duration), rate).is_some()
                };
                if model.linear().is_none() && !has_integral() {
                    let expected = "of a layer with `Layer::integral`".into();
                    return wrong(
                        "the rate of an integral of the potential",
                        rate.as_f64(),
                        expected,
                    );
                }
            }
        }
    }
    Ok(())
}

/// Every spike needs a slope, or a floor in its place.
fn check_slopes<F: Real>(
    network: &SpikingNetwork<F>,
    trace: &Trace<F>,
    layer: usize,
    floor: F,
) -> Result<(), AdjointError> {
    let fired = &trace.layers[layer];
    let flat = |slope: &F| !(slope.is_finite() && slope.max(floor) > F::zero());
    let Some(spike) = fired.slopes.iter().position(flat) else { return Ok(()) };
    let offsets = fired.spikes.offsets();
    Err(AdjointError::ZeroSlope {
        layer: network.layers[layer].name.clone(),
        neuron: offsets.partition_point(|&start| start <= spike) - 1,
        time: fired.spikes.times()[spike],
        slope: fired.slopes[spike].as_f64(),
    })
}

/// The adjoint pass on the plain engine.
struct Backward<'a, F: Real> {
    network: &'a SpikingNetwork<F>,
    trace: &'a Trace<F>,
    sums: &'a mut Sums<F>,
    memory: &'a mut Memory<F>,
}

impl<F: Real> Backward<'_, F> {
    fn group(mut self, group: &[usize], recurrent: bool) -> Result<(), AdjointError> {
        let mut slot = 0;
        for &layer in group {
            let terms = &mut self.memory.potentials[layer];
            if !terms.is_sorted_by_key(PotentialSensitivity::neuron) {
                terms.sort_by_key(PotentialSensitivity::neuron);
            }
            for neuron in 0..self.network.layers[layer].layer.size() {
                self.prepare(slot, group, (layer, neuron))?;
                if recurrent {
                    slot += 1;
                    continue;
                }
                while self.memory.neurons[slot].left > 0 {
                    self.step(slot);
                }
            }
        }
        self.together(slot);
        Ok(())
    }

    /// Walks the events of several neurons back in one order in which no spike comes before an
    /// effect of it: latest first; at one time arrivals first, then spikes, last fired first.
    fn together(&mut self, neurons: usize) {
        self.memory.queue.clear();
        (0..neurons).for_each(|slot| self.enqueue(slot));
        while let Some((_, _, slot)) = self.memory.queue.pop() {
            self.step(slot);
            self.enqueue(slot);
        }
    }

    fn enqueue(&mut self, slot: usize) {
        let neuron = &self.memory.neurons[slot];
        let Some(&(time, event)) = neuron.replay.events[..neuron.left].last() else { return };
        let order = match event {
            Event::Spike(s) => self.trace.layers[neuron.layer].ranks[s],
            _ => u32::MAX,
        };
        self.memory.queue.push((time.to_bits(), order, slot));
    }

    /// Rebuilds a neuron's trial and sets its adjoint at the end of it.
    fn prepare(
        &mut self,
        slot: usize,
        group: &[usize],
        (layer, index): (usize, usize),
    ) -> Result<(), AdjointError> {
        let Self { network, trace, memory, sums, .. } = self;
        let Memory { neurons, potentials, .. } = &mut **memory;
        if slot == neurons.len() {
            neurons.push(Neuron::default());
        }
        let neuron = &mut neurons[slot];
        (neuron.layer, neuron.index) = (layer, index);
        // In the order of neurons.
        let terms = &potentials[layer];
        let start = terms.partition_point(|term| term.neuron() < index);
        let own = || terms[start..].iter().take_while(|term| term.neuron() == index);
        let probes = own().filter_map(|term| match *term {
            PotentialSensitivity::At { time, gradient, .. } => Some((time, gradient, false)),
            PotentialSensitivity::AtArrival { time, gradient, .. } => Some((time, gradient, true)),
            PotentialSensitivity::Integral { .. } => None,
        });
        let integrals = own().filter_map(|term| match *term {
            PotentialSensitivity::Integral { rate, gradient, .. } => Some((rate, gradient)),
            _ => None,
        });
        neuron.listen(probes, integrals);
        let Neuron { replay, probe_times, .. } = neuron;
        replay.run(network, trace, group, (layer, index), probe_times)?;
        neuron.start(network, trace.duration, &mut sums.constants[layer]);
        Ok(())
    }

    /// Takes one neuron back over its last event, and over the segment before that.
    fn step(&mut self, slot: usize) {
        let Self { network, trace, sums, memory } = self;
        let Memory { times, neurons, slope_floors, .. } = &mut **memory;
        let mut gathered = Gathered::new(sums, times, slope_floors);
        neurons[slot].step(network, trace, &mut gathered);
    }
}
