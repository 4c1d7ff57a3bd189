//! How a loss reads the potentials of a layer, neuron by neuron.

use crate::{PotentialSensitivity, Real};

/// A point in time at which the loss reads V.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe<F> {
    neuron: usize,
    pub time: f64,
    /// dL/dV.
    pub gradient: F,
    /// Whether it moves with the first arrival of its time.
    pub moves: bool,
}

/// The loss reads int_0^T V exp(-rate t) dt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Integral<F> {
    neuron: usize,
    pub rate: F,
    /// The derivative of L by the integral.
    pub gradient: F,
}

impl<F: Real> Integral<F> {
    /// The derivative of L by V dt at this time.
    pub fn discounted(&self, time: f64) -> F {
        self.gradient * (-self.rate * F::of(time)).exp()
    }
}

/// All reads of a layer, sorted by neuron, and probes of a neuron by time; those that move come last.
#[derive(Debug)]
pub(super) struct Reads<F> {
    probes: Vec<Probe<F>>,
    integrals: Vec<Integral<F>>,
}

impl<F> Default for Reads<F> {
    fn default() -> Self {
        Self { probes: Vec::new(), integrals: Vec::new() }
    }
}

impl<F: Real> Reads<F> {
    /// Takes over what a loss reads.
    pub fn fill(&mut self, potentials: &[PotentialSensitivity<F>]) {
        self.probes.clear();
        self.integrals.clear();
        for term in potentials {
            match *term {
                PotentialSensitivity::At { neuron, time, gradient } => {
                    self.probes.push(Probe { neuron, time, gradient, moves: false });
                }
                PotentialSensitivity::AtArrival { neuron, time, gradient } => {
                    self.probes.push(Probe { neuron, time, gradient, moves: true });
                }
                PotentialSensitivity::Integral { neuron, rate, gradient } => {
                    self.integrals.push(Integral { neuron, rate, gradient });
                }
            }
        }
        let by_neuron = |a: &Probe<F>, b: &Probe<F>| a.neuron.cmp(&b.neuron);
        self.probes.sort_unstable_by(|a, b| {
            by_neuron(a, b).then(a.time.total_cmp(&b.time)).then(a.moves.cmp(&b.moves))
        });
        self.integrals.sort_unstable_by_key(|i| i.neuron);
    }

    /// Those of a neuron.
    pub fn of(&self, neuron: usize) -> (&[Probe<F>], &[Integral<F>]) {
        (run(&self.probes, |p| p.neuron, neuron), run(&self.integrals, |i| i.neuron, neuron))
    }
}

/// The stretch of a sorted list that belongs to a neuron.
fn run<T>(sorted: &[T], neuron_of: impl Fn(&T) -> usize, neuron: usize) -> &[T] {
    let start = sorted.partition_point(|t| neuron_of(t) < neuron);
    let len = sorted[start..].partition_point(|t| neuron_of(t) == neuron);
    &sorted[start..start + len]
}
