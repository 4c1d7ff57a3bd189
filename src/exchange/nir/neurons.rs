//! Layers as nodes, and back.

use super::export::{Draft, described};
use super::import::Context;
use super::{NirError, Node, Value};
use crate::exchange::{Loss, Report};
use crate::layer::{LinearLayer, StoredLayer};
use crate::{Constant, LeakyIntegrator, Lif, Network, ParameterKind as Kind, Real, SpikingNetwork};

/// What a layer has become.
pub(super) struct Population {
    /// Its node.
    pub node: String,
    /// The node that the synapses of each receptor lead to.
    pub receptors: Vec<String>,
    /// The resistance of each neuron.
    pub resistance: Vec<f64>,
    /// Whether it may send spikes.
    pub fires: bool,
}

/// Constants that no node has a field for.
const EXTRAS: [(Kind, &str); 5] = [
    (Kind::AdaptationJump, "adaptation_jump"),
    (Kind::TauAdaptation, "adaptation_tau_ms"),
    (Kind::ThresholdJump, "threshold_jump"),
    (Kind::TauThreshold, "threshold_tau_ms"),
    (Kind::Refractory, "refractory_ms"),
];

/// Adds the nodes of a layer: one, or if it has several receptors, one more for each of them.
pub(super) fn layer_nodes<F: Real>(
    draft: &mut Draft<'_>,
    network: &SpikingNetwork<F>,
    layer: usize,
) -> Result<Population, NirError> {
    let (name, size) = network.layer_info(layer);
    let foreign = || NirError::ForeignLayer { layer: name.into() };
    let stored = network.layers[layer].layer.to_stored().ok_or_else(foreign)?;
    let neurons = match &stored {
        StoredLayer::Lif(lif) => lif.neurons(),
        StoredLayer::LeakyIntegrator(integrator) => integrator.neurons(),
    };
    let fires = neurons.values(Kind::Threshold, 0).is_some();
    let values = |kind, r| -> Option<Vec<f64>> {
        Some(neurons.values(kind, r)?.iter().map(|x| x.as_f64()).collect())
    };
    // One for each neuron; 0 is what the neurons have without.
    let each = |kind, r| -> Vec<f64> {
        let values = values(kind, r).unwrap_or_else(|| vec![0.0]);
        if values.len() == 1 { vec![values[0]; size] } else { values }
    };
    let mut used: Vec<usize> =
        network.projections.iter().filter(|p| p.target == layer).map(|p| p.receptor).collect();
    used.sort_unstable();
    used.dedup();
    let (unit, jump) = (draft.options.unit, draft.options.jump);
    let mut times = Vec::new();
    let mut time = |kind, r| -> Vec<f64> {
        let ms = each(kind, r);
        let stored: Vec<f64> = ms.iter().map(|&t| unit.of_ms(t)).collect();
        times.extend(ms.iter().zip(&stored).map(|(&t, &s)| (t, F::of(unit.to_ms(s)).as_f64())));
        stored
    };
    let resistance: Vec<f64> =
        each(Kind::TauMem, 0).iter().map(|&tau| draft.options.resistance_of(tau)).collect();
    let cuba = used.len() == 1;
    let kind = match (cuba, fires) {
        (true, true) => "CubaLIF",
        (true, false) => "CubaLI",
        (false, true) => "LIF",
        (false, false) => "LI",
    };
    let w_in = |tau_syn: &[f64]| -> Value {
        Value::list(tau_syn.iter().map(|&tau| jump.unit_w_in(tau, unit)).collect())
    };
    let mut node = described(Node::new(kind), name, layer)
        .with("r", Value::list(resistance.clone()))
        .with("v_leak", Value::list(each(Kind::Bias, 0)));
    let tau_mem = Value::list(time(Kind::TauMem, 0));
    node = if cuba {
        let tau_syn = time(Kind::TauSyn, used[0]);
        let w_in = w_in(&tau_syn);
        node.with("tau_mem", tau_mem).with("tau_syn", Value::list(tau_syn)).with("w_in", w_in)
    } else {
        node.with("tau", tau_mem)
    };
    if fires {
        let threshold = Value::list(each(Kind::Threshold, 0));
        node = node.with("v_threshold", threshold);
        node = node.with("v_reset", Value::list(each(Kind::Reset, 0)));
    }
    for (kind, key) in EXTRAS {
        if let Some(values) = values(kind, 0) {
            node = node.note(key, Value::list(values));
            draft.report.add(name, Loss::OnlyInMetadata { what: kind.name() });
        }
    }
    if each(Kind::Bias, 0).iter().any(|&b| b != 0.0) {
        draft.report.drop(name, "that potentials start at 0, and not at v_leak");
    }
    let node = draft.add(name, node);
    let mut receptors = vec![node.clone(); network.layers[layer].layer.receptors()];
    if !cuba {
        for &r in &used {
            let tau = time(Kind::TauSyn, r);
            let synapse = Node::new("LI")
                .with("r", w_in(&tau))
                .with("v_leak", Value::list(vec![0.0; size]))
                .with("tau", Value::list(tau))
                .note("order", Value::count(r));
            receptors[r] = draft.add(&format!("{name}_receptor_{r}"), synapse);
            draft.connect(&receptors[r], &node);
        }
    }
    if used.len() < network.layers[layer].layer.receptors() {
        draft.report.drop(name, "time constants of currents that no synapses reach");
    }
    draft.report.round(name, "time constants", times);
    draft.report.trained(name, &network.layers[layer].layer.parameters(), []);
    Ok(Population { node, receptors, resistance, fires })
}

/// A receptor of a layer, and what a weight of 1 does there.
pub(super) struct Receptor {
    /// One time constant per neuron, in ms.
    pub tau: Vec<f64>,
    /// By how much the current of each neuron jumps.
    pub jump: Vec<f64>,
    /// What a constant current in place of spikes drives each neuron with.
    pub gain: Vec<f64>,
}

/// The constants of a layer.
pub(super) struct Neurons {
    pub size: usize,
    pub receptors: Vec<Receptor>,
    /// A constant drive that comes from elsewhere, one per neuron.
    pub bias: Vec<f64>,
    constants: Vec<(Kind, Vec<f64>)>,
}

/// A field with one number per neuron.
fn field(name: &str, node: &Node, key: &str, default: Option<f64>) -> Result<Vec<f64>, NirError> {
    match (node.fields.get(key).and_then(Value::numbers), default) {
        (Some(values), _) if !values.is_empty() => Ok(values),
        (None, Some(value)) if !node.fields.contains_key(key) => Ok(vec![value]),
        _ => Err(NirError::Field { node: name.into(), field: key.into(), expected: "numbers" }),
    }
}

/// Whether a type of node is one of neurons, and of those that fire.
pub(super) fn fires(kind: &str) -> Option<bool> {
    match kind {
        "CubaLIF" | "LIF" => Some(true),
        "CubaLI" | "LI" => Some(false),
        _ => None,
    }
}

/// The number of neurons of a node.
pub(super) fn size(name: &str, node: &Node) -> Result<usize, NirError> {
    Ok(field(name, node, "v_leak", None)?.len())
}

/// Reads the node of a layer, and those of its receptors.
pub(super) fn read_layer(
    context: &Context<'_>,
    name: &str,
    node: &Node,
    receptors: &[&str],
    instant: bool,
) -> Result<Neurons, NirError> {
    let size = size(name, node)?;
    let whole = |name: &str, key: &str, values: Vec<f64>| -> Result<Vec<f64>, NirError> {
        match values.len() {
            1 => Ok(vec![values[0]; size]),
            found if found == size => Ok(values),
            found => {
                let place = format!("{name}.{key}");
                Err(NirError::Size { node: place, what: "values", found, expected: size })
            }
        }
    };
    let each = |name: &str, node: &Node, key: &str, default: Option<f64>| {
        whole(name, key, field(name, node, key, default)?)
    };
    let ms =
        |values: &[f64]| -> Vec<f64> { values.iter().map(|&t| context.unit.to_ms(t)).collect() };
    let unit_w_in = |tau: f64| context.jump.unit_w_in(tau, context.unit);
    let r = each(name, node, "r", None)?;
    let cuba = node.fields.contains_key("tau_syn");
    let tau_mem = ms(&each(name, node, if cuba { "tau_mem" } else { "tau" }, None)?);
    let mut found = Vec::new();
    if cuba {
        let tau = each(name, node, "tau_syn", None)?;
        let w_in = each(name, node, "w_in", Some(1.0))?;
        let jump = |k: usize| r[k] * (w_in[k] / unit_w_in(tau[k]));
        let gain = (0..size).map(|k| r[k] * w_in[k]).collect();
        found.push(Receptor { jump: (0..size).map(jump).collect(), gain, tau: ms(&tau) });
    }
    for &receptor in receptors {
        let synapse = &context.graph.nodes[receptor];
        let tau = each(receptor, synapse, "tau", None)?;
        let own = each(receptor, synapse, "r", None)?;
        if each(receptor, synapse, "v_leak", None)?.iter().any(|&v| v != 0.0) {
            let problem = "a current with a v_leak other than 0";
            return Err(NirError::Unsupported { node: receptor.into(), problem });
        }
        let jump = |k: usize| r[k] * (own[k] / unit_w_in(tau[k]));
        let gain = (0..size).map(|k| r[k] * own[k]).collect();
        found.push(Receptor { jump: (0..size).map(jump).collect(), gain, tau: ms(&tau) });
    }
    if instant {
        let problem =
            "spikes lead to it without a synaptic current; `Import::short_current` gives it one";
        let missing = NirError::Unsupported { node: name.into(), problem };
        let tau = context.short_current.ok_or(missing)?;
        let jump = |k: usize| r[k] * context.jump.charge(tau_mem[k], context.unit) / tau;
        let jump = (0..size).map(jump).collect();
        found.push(Receptor { jump, gain: r, tau: vec![tau; size] });
    }
    let mut constants = vec![(Kind::TauMem, tau_mem)];
    if fires(&node.kind) == Some(true) {
        constants.push((Kind::Threshold, each(name, node, "v_threshold", None)?));
        constants.push((Kind::Reset, each(name, node, "v_reset", Some(0.0))?));
    }
    if context.ours {
        for (kind, key) in EXTRAS {
            let Some(value) = node.metadata.get(key) else { continue };
            let bad = NirError::Metadata { node: name.into(), key };
            constants.push((kind, value.numbers().filter(|v| !v.is_empty()).ok_or(bad)?));
        }
    }
    let bias = each(name, node, "v_leak", None)?;
    Ok(Neurons { size, receptors: found, bias, constants })
}

impl Neurons {
    fn set<F: Real>(&self, neurons: &mut crate::LinearNeurons<F>, report: &mut Report, name: &str) {
        let mut changes = Vec::new();
        let mut set = |kind: Kind, values: &[f64]| {
            let one = values.iter().all(|&x| x == values[0]);
            let values = if one { &values[..1] } else { values };
            changes.extend(values.iter().map(|&x| (x, F::of(x).as_f64())));
            let values: Vec<F> = values.iter().map(|&x| F::of(x)).collect();
            neurons.set(kind, Constant::from(values));
        };
        self.constants.iter().for_each(|(kind, values)| set(*kind, values));
        if let Some(receptor) = self.receptors.first() {
            set(Kind::TauSyn, &receptor.tau);
        }
        if self.bias.iter().any(|&b| b != 0.0) {
            set(Kind::Bias, &self.bias);
        }
        report.round(name, "constants", changes);
    }

    pub fn fires(&self) -> bool {
        self.constants.iter().any(|(kind, _)| *kind == Kind::Threshold)
    }

    pub fn lif<F: Real>(&self, report: &mut Report, name: &str) -> Lif<F> {
        let mut layer = Lif::new(self.size);
        self.set(layer.neurons_mut(), report, name);
        layer
    }

    pub fn integrator<F: Real>(&self, report: &mut Report, name: &str) -> LeakyIntegrator<F> {
        let mut layer = LeakyIntegrator::new(self.size);
        self.set(layer.neurons_mut(), report, name);
        layer
    }
}
