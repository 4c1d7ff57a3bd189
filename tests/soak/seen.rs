//! What a network did, sorted by neurons and synapses of its model, and how far rounding may move it.

use crate::model::Model;
use eventprop::{
    Engine, Gradients, Network, ParameterKind, PotentialSensitivity, Sensitivity, SimulationError,
    Trace,
};

/// The loss: a sum over spike times and integrals of potentials, with factors by the marks of the neurons.
#[derive(Debug, Clone, Copy)]
pub struct Loss {
    pub spikes: f64,
    pub integrals: f64,
    /// Another phase makes another loss.
    pub phase: f64,
}

pub const LOSS: Loss = Loss { spikes: 1.0, integrals: 1.0, phase: 0.0 };

/// Numbers of one kind, with a name for messages.
pub type Block = (String, Vec<f64>);

/// Spikes and gradients of a trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Of each layer and each neuron.
    pub spikes: Vec<Vec<Vec<f64>>>,
    /// dL/dw and dL/dd of the synapses of each projection, in the order of the model.
    pub weights: Vec<Vec<f64>>,
    pub delays: Vec<Vec<f64>>,
    /// dL/dc of the constants of each layer that are trained.
    pub constants: Vec<Vec<(ParameterKind, Vec<f64>)>>,
    /// dL/dt of the spikes of each channel.
    pub input: Vec<Vec<f64>>,
}

impl Loss {
    fn sensitivity(&self, model: &Model, trace: &Trace) -> Sensitivity {
        let mut sensitivity = Sensitivity::none(trace);
        for (number, layer) in sensitivity.layers.iter_mut().enumerate() {
            let marks = &model.layers[number].marks;
            let offsets = trace.spikes(number).offsets();
            for (neuron, &mark) in marks.iter().enumerate() {
                for (k, at) in (offsets[neuron]..offsets[neuron + 1]).enumerate() {
                    let wave = (mark * (k + 1) as f64 + self.phase).sin();
                    layer.spike_times[at] = self.spikes * wave;
                }
                if model.potentials && self.integrals != 0.0 {
                    let gradient = self.integrals * (mark + self.phase).cos();
                    let integral = PotentialSensitivity::Integral { neuron, rate: 0.0, gradient };
                    layer.potentials.push(integral);
                }
            }
        }
        sensitivity
    }
}

/// Runs a model.
///
/// # Errors
/// A network that runs away.
pub fn run(model: &Model, engine: Engine, loss: &Loss) -> Result<Seen, SimulationError> {
    let net = model.network().with_engine(engine);
    let trace = net.forward(&model.trains(), model.duration)?;
    let gradients = net.adjoint(&trace, loss.sensitivity(model, &trace)).unwrap();
    let each = |layer| trace.spikes(layer).iter().map(<[f64]>::to_vec).collect();
    let get =
        |gradients: &Gradients, owner: &str, kind| gradients.get(owner, kind).unwrap().to_vec();
    let of = |kind| net.projections().map(|name| get(&gradients, name, kind)).collect();
    let constants = model.layers.iter().enumerate().map(|(number, layer)| {
        let trained = layer.constants.iter().filter(|(kind, _)| layer.learns(**kind));
        // Those of receptors that projections add follow.
        let blocks = trained.flat_map(|(&kind, values)| {
            let all = get(&gradients, &number.to_string(), kind);
            all.chunks(values.len()).map(|part| (kind, part.to_vec())).collect::<Vec<_>>()
        });
        blocks.collect()
    });
    let offsets = trace.input().offsets().windows(2);
    Ok(Seen {
        spikes: (0..trace.layers()).map(each).collect(),
        weights: of(ParameterKind::Weight),
        delays: of(ParameterKind::Delay),
        constants: constants.collect(),
        input: offsets.map(|w| gradients.input_times[w[0]..w[1]].to_vec()).collect(),
    })
}

impl Seen {
    pub fn count(&self) -> usize {
        self.spikes.iter().flatten().map(Vec::len).sum()
    }

    /// How often each neuron fired.
    pub fn pattern(&self) -> Vec<Vec<usize>> {
        self.spikes.iter().map(|layer| layer.iter().map(Vec::len).collect()).collect()
    }

    /// Times of spikes, layer by layer.
    fn times(&self) -> Vec<Block> {
        let block =
            |(k, layer): (usize, &Vec<Vec<f64>>)| (format!("spikes of {k}"), layer.concat());
        self.spikes.iter().enumerate().map(block).collect()
    }

    /// Gradients; those by the constants of a layer are together.
    fn gradients(&self) -> Vec<Block> {
        let mut blocks = vec![("input times".to_owned(), self.input.concat())];
        for (what, all) in [("weights", &self.weights), ("delays", &self.delays)] {
            let named = all.iter().enumerate().map(|(k, b)| (format!("{what} {k}"), b.clone()));
            blocks.extend(named);
        }
        for (number, layer) in self.constants.iter().enumerate() {
            let named = layer.iter().map(|(kind, b)| (format!("{kind} of {number}"), b.clone()));
            blocks.extend(named);
        }
        blocks
    }
}

/// How far rounding may move what was seen.
///
/// A bound on the number of roundings is counted, and what one of them does is measured: the model is run with all of its numbers moved by a random share of about 1e-9, and rounding, which moves them by
/// 1e-16, moves results by as much less. So networks that amplify (flat crossings, recurrence) get the tolerance
/// that they need, and the others, nearly all of them, a strict one.
#[derive(Debug, Clone)]
pub struct Noise {
    spikes: Vec<f64>,
    gradients: Vec<f64>,
    /// Roundings, each at most half of an epsilon.
    roundings: f64,
}

const JITTER: f64 = 1.0 / (1 << 30) as f64;

/// Operations on a number from one event to the next: decays of three states, a jump, the steps to a crossing.
const ROUNDINGS: usize = 32;

/// What a gradient is by.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Weights,
    Times,
    Constants,
}

impl Kind {
    fn of(block: &str) -> Self {
        match block.split(' ').next() {
            Some("weights") => Self::Weights,
            Some("delays" | "input") => Self::Times,
            _ => Self::Constants,
        }
    }
}

impl Noise {
    /// `None` if even the number of spikes depends on changes of 1e-9: then no two ways to add up the same numbers
    /// need to agree.
    pub fn of(model: &Model, base: &Seen, loss: &Loss) -> Option<Self> {
        let (mut spikes, mut gradients) = (Vec::new(), Vec::new());
        let largest = |blocks: Vec<Block>| -> Vec<f64> {
            let fold = |b: Vec<f64>| b.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            blocks.into_iter().map(|(_, b)| fold(b)).collect()
        };
        raise(&mut spikes, largest(base.times()));
        raise(&mut gradients, largest(base.gradients()));
        for seed in 0..2 {
            let moved = run(&model.jitter(JITTER, seed), Engine::Plain, loss).ok()?;
            if moved.pattern() != base.pattern() {
                return None;
            }
            raise(&mut spikes, difference(&moved.times(), &base.times()));
            raise(&mut gradients, difference(&moved.gradients(), &base.gradients()));
        }
        // Some sums hardly depend on anything, since their terms cancel, yet each of the terms is rounded: the integral of
        // a potential does not depend on tau_mem, and a delay of all input only shifts the trial. So what arrivals carry,
        // the sum of |w dL/dw|, is a size as well, per ms for gradients by times; and those by the times of single
        // arrivals are terms of those by delays. Synapses of all projections share the largest.
        let edges = model.projections.iter().flat_map(|p| &p.edges);
        let carried = edges.zip(base.weights.iter().flatten());
        let carried: f64 = carried.map(|(edge, gradient)| (edge.weight * gradient).abs()).sum();
        let taus = [ParameterKind::TauMem, ParameterKind::TauSyn];
        let taus = model.layers.iter().flat_map(|l| taus.map(|kind| &l.constants[&kind])).flatten();
        let shortest = taus.fold(f64::INFINITY, |m, &tau| m.min(tau));
        let kinds: Vec<Kind> = base.gradients().iter().map(|(name, _)| Kind::of(name)).collect();
        let largest = |kind| {
            let of_kind = kinds.iter().zip(&gradients).filter(|(k, _)| **k == kind);
            of_kind.fold(0.0, |m: f64, (_, &size)| m.max(size))
        };
        let (weights, times) = (largest(Kind::Weights), largest(Kind::Times));
        for (kind, size) in kinds.iter().zip(&mut gradients) {
            *size = match kind {
                Kind::Weights => weights,
                Kind::Times => times.max(carried / shortest),
                Kind::Constants => size.max(carried),
            };
        }
        // A sum over events rounds at each of them: the state of a neuron is one over its arrivals, a gradient one
        // over all spikes.
        let synapses = |layer| {
            let into = model.projections.iter().filter(|p| p.to == layer);
            into.map(|p| p.edges.len()).sum::<usize>()
        };
        let events = base.count() + model.input.iter().map(Vec::len).sum::<usize>();
        let widest = (0..model.layers.len()).map(synapses).max().unwrap_or(0);
        let roundings = (ROUNDINGS * (events + widest)) as f64;
        Some(Self { spikes, gradients, roundings })
    }

    /// Of a loss that is so many times larger.
    pub fn times(mut self, factor: f64) -> Self {
        self.gradients.iter_mut().for_each(|size| *size *= factor);
        self
    }

    fn allowed(&self, size: f64) -> f64 {
        self.roundings * f64::EPSILON * size
    }

    /// Compares what two networks did that are the same but for rounding. Returns the number of spikes.
    pub fn same(&self, found: &Seen, expected: &Seen) -> Result<usize, String> {
        if found.pattern() != expected.pattern() {
            return Err(format!("counts {:?} against {:?}", found.pattern(), expected.pattern()));
        }
        let pairs = [
            (found.times(), expected.times(), &self.spikes),
            (found.gradients(), expected.gradients(), &self.gradients),
        ];
        for (found, expected, sizes) in pairs {
            for (((name, a), (_, b)), &size) in found.iter().zip(&expected).zip(sizes) {
                assert_eq!(a.len(), b.len(), "{name}");
                for (a, b) in a.iter().zip(b) {
                    let allowed = self.allowed(size);
                    if (a - b).abs() > allowed || !(a - b).is_finite() {
                        return Err(format!("{name}: {a:e} against {b:e}, allowed {allowed:e}"));
                    }
                }
            }
        }
        Ok(found.count())
    }
}

/// The largest change in each block, by a jitter of size 1.
fn difference(a: &[Block], b: &[Block]) -> Vec<f64> {
    let each = |((_, a), (_, b)): (&Block, &Block)| {
        a.iter().zip(b).fold(0.0, |m: f64, (a, b)| m.max((a - b).abs())) / JITTER
    };
    a.iter().zip(b).map(each).collect()
}

fn raise(sizes: &mut Vec<f64>, by: Vec<f64>) {
    sizes.resize(by.len(), 0.0);
    sizes.iter_mut().zip(by).for_each(|(size, by)| *size = size.max(by));
}
