//! Projections as nodes.

use super::delays::{Edge, Split, levels, nearest, split};
use super::export::Draft;
use super::neurons::Population;
use super::{Delayed, NirError, Node, Value};
use crate::exchange::Loss;
use crate::network::Projection;
use crate::{DelayPer, Real};
use ndarray::Array2;

/// Adds the nodes of a projection: weights, and delays before and after them; branches of these if need be.
pub(super) fn projection_nodes<F: Real>(
    draft: &mut Draft<'_>,
    order: usize,
    projection: &Projection<F>,
    source: &str,
    target: &Population,
) -> Result<(), NirError> {
    let name = projection.name.as_str();
    let shape = projection.synapses.shape();
    let mut edges: Vec<Edge> = Vec::new();
    let mut weights: Vec<f64> = Vec::new();
    for post in 0..shape.0 {
        for synapse in projection.synapses.row(post).iter() {
            edges.push((post, synapse.pre, synapse.delay.as_f64()));
            weights.push(synapse.weight.as_f64());
        }
    }
    let all = (0..shape.0).flat_map(|j| (0..shape.1).map(move |i| (j, i)));
    let dense = edges.iter().map(|&(j, i, _)| (j, i)).eq(all);
    let parallel = edges.windows(2).any(|w| (w[0].0, w[0].1) == (w[1].0, w[1].1));
    let plan = Plan { order, dense, shape, source, target: &target.receptors[projection.receptor] };
    let stored: Vec<f64> =
        edges.iter().zip(&weights).map(|(e, w)| w / target.resistance[e.0]).collect();
    let returned = edges.iter().zip(&stored).map(|(e, w)| F::of(w * target.resistance[e.0]));
    let changes: Vec<(f64, f64)> =
        weights.iter().copied().zip(returned.map(|w| w.as_f64())).collect();
    let empty = weights.iter().filter(|&&w| w == 0.0).count();

    let choice = draft.options.delays;
    let split = split(shape, &edges);
    let exact = split.as_ref().is_some_and(|s| edges.iter().all(|&(j, i, d)| s.sum(j, i) == d));
    let lists = choice == Delayed::Metadata && (!exact || parallel || (!dense && empty > 0));
    if lists {
        let what = if exact { "synapses one by one" } else { "delays of synapses" };
        draft.report.add(name, Loss::OnlyInMetadata { what });
    } else {
        draft.report.round(name, "weights", changes);
        if parallel {
            draft
                .report
                .drop(name, "parallel synapses, whose weights are added where delays are alike");
        }
        if empty > 0 && !(dense && split.is_some()) {
            draft.report.drop(name, format!("{empty} synapses of weight 0"));
        }
    }
    let learned = match (&split, lists) {
        (Some(s), false) => [(DelayPer::Source, &s.axonal), (DelayPer::Target, &s.dendritic)]
            .into_iter()
            .filter_map(|(per, delays)| (!delays.is_empty()).then_some(per))
            .collect(),
        _ => vec![DelayPer::Synapse],
    };
    draft.report.trained_synapses(name, projection.synapses.as_ref(), &learned);
    let unit = draft.options.unit;
    let times = |delays: &[f64]| -> Vec<f64> { delays.iter().map(|&d| unit.of_ms(d)).collect() };
    let back = |d: f64| unit.to_ms(unit.of_ms(d));
    match (split, choice) {
        (Some(split), _) => {
            if !lists {
                let stored = |j, i| {
                    let of = |list: &[f64], k: usize| list.get(k).map_or(0.0, |&d| back(d));
                    F::of(of(&split.axonal, i) + of(&split.dendritic, j)).as_f64()
                };
                let pairs = edges.iter().map(|&(j, i, d)| (d, stored(j, i)));
                draft.report.round(name, "delays", pairs.collect::<Vec<_>>());
            }
            let Split { axonal, dendritic } = split;
            let split = Split { axonal: times(&axonal), dendritic: times(&dendritic) };
            let matrix = plan.matrix(edges.iter().zip(&stored));
            let exactly = lists.then_some((edges.as_slice(), weights.as_slice()));
            plan.branch(draft, name, matrix, split, exactly);
        }
        (None, Delayed::Refuse) => {
            return Err(NirError::DelaysPerSynapse { projection: name.into() });
        }
        (None, Delayed::Metadata) => {
            let matrix = plan.matrix(edges.iter().zip(&stored));
            plan.branch(draft, name, matrix, Split::default(), Some((&edges, &weights)));
        }
        (None, Delayed::Branches(most)) => {
            let levels = levels(edges.iter().map(|e| e.2), most);
            let mut branches = vec![Vec::new(); levels.len()];
            let (mut moved, mut greatest, mut squares) = (0, 0.0, 0.0);
            for (edge, weight) in edges.iter().zip(&stored) {
                let place = nearest(&levels, edge.2);
                branches[place].push((edge, weight));
                let move_ = (levels[place] - edge.2).abs();
                moved += usize::from(move_ > 0.0);
                greatest = f64::max(greatest, move_);
                squares += move_ * move_;
            }
            if moved > 0 {
                let rms = (squares / edges.len() as f64).sqrt();
                let (levels, most) = (levels.len(), greatest);
                draft.report.add(name, Loss::Quantised { levels, moved, most, rms });
            }
            let pairs = levels.iter().map(|&d| (d, F::of(back(d)).as_f64()));
            draft.report.round(name, "delays", pairs.collect::<Vec<_>>());
            for (branch, &level) in branches.into_iter().zip(&levels) {
                if branch.is_empty() {
                    continue;
                }
                let delays = if level == 0.0 { Vec::new() } else { vec![level; shape.1] };
                let split = Split { axonal: times(&delays), dendritic: Vec::new() };
                let matrix = plan.matrix(branch.into_iter());
                plan.branch(draft, name, matrix, split, None);
            }
        }
    }
    Ok(())
}

/// What the branches of a projection share.
struct Plan<'a> {
    order: usize,
    dense: bool,
    shape: (usize, usize),
    source: &'a str,
    target: &'a str,
}

impl Plan<'_> {
    fn matrix<'a>(&self, synapses: impl Iterator<Item = (&'a Edge, &'a f64)>) -> Array2<f64> {
        let mut matrix = Array2::zeros(self.shape);
        for (&(post, pre, _), &weight) in synapses {
            // Plus 0 would lose the sign of a weight of -0.
            let cell = &mut matrix[(post, pre)];
            *cell = if *cell == 0.0 { weight } else { *cell + weight };
        }
        matrix
    }

    fn branch(
        &self,
        draft: &mut Draft<'_>,
        name: &str,
        matrix: Array2<f64>,
        split: Split,
        exactly: Option<(&[Edge], &[f64])>,
    ) {
        let name = name.replace("->", "_to_");
        let mut linear = Node::new("Linear")
            .with("weight", Value::Floats(matrix.into_dyn()))
            .note("projection", Value::count(self.order));
        if !self.dense {
            linear = linear.note("sparse", Value::count(1));
        }
        if let Some((edges, weights)) = exactly {
            linear = linear
                .note("synapse_post", Value::sizes(edges.iter().map(|e| e.0)))
                .note("synapse_pre", Value::sizes(edges.iter().map(|e| e.1)))
                .note("synapse_delay_ms", Value::list(edges.iter().map(|e| e.2).collect()))
                .note("synapse_weight", Value::list(weights.to_vec()));
        }
        let linear = draft.add(&name, linear);
        let delay = |delays| Node::new("Delay").with("delay", Value::list(delays));
        let mut from = self.source.to_owned();
        if !split.axonal.is_empty() {
            let axon = draft.add(&format!("{linear}_axons"), delay(split.axonal));
            draft.connect(&from, &axon);
            from = axon;
        }
        draft.connect(&from, &linear);
        from = linear.clone();
        if !split.dendritic.is_empty() {
            let dendrite = draft.add(&format!("{linear}_dendrites"), delay(split.dendritic));
            draft.connect(&from, &dendrite);
            from = dendrite;
        }
        draft.connect(&from, self.target);
    }
}
