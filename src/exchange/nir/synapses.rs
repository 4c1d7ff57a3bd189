//! Synapses from the ways that lead from one population to another.

use super::import::Context;
use super::neurons::Receptor;
use super::paths::Path;
use super::{NirError, Node};
use crate::exchange::Report;
use crate::{Delays, Dense, Real, Sparse, SynapseRecipe};
use ndarray::Array2;
use std::collections::BTreeMap;

/// The ways that become one projection.
pub(super) type Bundle<'a> = Vec<Path<'a>>;

/// The synapses of one projection.
pub(super) fn synapses<F: Real>(
    context: &Context<'_>,
    receptor: &Receptor,
    bundle: Bundle<'_>,
    report: &mut Report,
) -> Result<SynapseRecipe<F>, NirError> {
    let place = bundle[0].linear.as_ref().map_or(bundle[0].source, |(name, ..)| name).to_owned();
    let mut changes = Vec::new();
    let mut number = |x: f64| {
        let rounded = F::of(x);
        changes.push((x, rounded.as_f64()));
        rounded
    };
    let ms =
        |delays: &[f64]| -> Vec<f64> { delays.iter().map(|&d| context.unit.to_ms(d)).collect() };
    let recipe = match <[Path<'_>; 1]>::try_from(bundle) {
        Ok([path]) => match path.linear {
            Some((name, node, matrix))
                if context.ours && node.metadata.contains_key("synapse_delay_ms") =>
            {
                let list = List::read(name, node, &matrix, receptor, report)?;
                list.recipe(&mut number, true)
            }
            Some((_, node, matrix)) => {
                let mut matrix = matrix;
                for (mut row, jump) in matrix.outer_iter_mut().zip(&receptor.jump) {
                    row.iter_mut().for_each(|w| *w *= jump);
                }
                let sparse = context.ours && node.metadata.contains_key("sparse");
                let mut recipe = if sparse {
                    let there = matrix.indexed_iter().filter(|(_, w)| **w != 0.0);
                    let (edges, weights): (Vec<_>, Vec<F>) =
                        there.map(|((post, pre), &w)| ((pre, post), number(w))).unzip();
                    Sparse::edges(edges).weights(weights)
                } else {
                    Dense::weights(matrix.mapv(&mut number))
                };
                for (delays, make) in [
                    (path.axonal, Delays::axonal as fn(Vec<F>) -> Delays<F>),
                    (path.dendritic, Delays::dendritic),
                ] {
                    if !delays.is_empty() {
                        let delays = ms(&delays).into_iter().map(&mut number).collect();
                        recipe = recipe.delays(make(delays));
                    }
                }
                recipe
            }
            None => {
                let edges = (0..path.sources).map(|k| (k, k));
                let weights: Vec<F> = receptor.jump.iter().map(|&j| number(j)).collect();
                let recipe = Sparse::edges(edges).weights(weights);
                if path.dendritic.is_empty() {
                    recipe
                } else {
                    let delays: Vec<F> = ms(&path.dendritic).into_iter().map(&mut number).collect();
                    recipe.delays(delays)
                }
            }
        },
        Err(bundle) => {
            let delayed = bundle.iter().any(|p| !(p.axonal.is_empty() && p.dendritic.is_empty()));
            let mut list =
                List { shape: (receptor.jump.len(), bundle[0].sources), ..List::default() };
            for path in bundle {
                let (axonal, dendritic) = (ms(&path.axonal), ms(&path.dendritic));
                let of = |list: &[f64], k: usize| list.get(k).copied().unwrap_or(0.0);
                let mut add = |(post, pre): (usize, usize), weight: f64| {
                    list.edges.push((post, pre));
                    list.weights.push(weight * receptor.jump[post]);
                    list.delays.push(of(&axonal, pre) + of(&dendritic, post));
                };
                match path.linear {
                    Some((_, _, matrix)) => {
                        let there = matrix.indexed_iter().filter(|(_, w)| **w != 0.0);
                        there.for_each(|(edge, &weight)| add(edge, weight));
                    }
                    None => (0..path.sources).for_each(|k| add((k, k), 1.0)),
                }
            }
            list.recipe(&mut number, delayed)
        }
    };
    report.round(&place, "weights and delays", changes);
    Ok(recipe)
}

/// Synapses one by one, with delays in ms.
#[derive(Default)]
struct List {
    /// (targets, sources).
    shape: (usize, usize),
    edges: Vec<(usize, usize)>,
    weights: Vec<f64>,
    delays: Vec<f64>,
}

impl List {
    /// The list in the metadata of the node with the weights. If these were changed since, they count.
    fn read(
        name: &str,
        node: &Node,
        matrix: &Array2<f64>,
        receptor: &Receptor,
        report: &mut Report,
    ) -> Result<Self, NirError> {
        let bad = |key| NirError::Metadata { node: name.into(), key };
        let entry = |key: &'static str| node.metadata.get(key).ok_or(bad(key));
        let places = |key: &'static str| entry(key)?.places().ok_or(bad(key));
        let numbers = |key: &'static str| entry(key)?.numbers().ok_or(bad(key));
        let (post, pre) = (places("synapse_post")?, places("synapse_pre")?);
        let (delays, mut weights) = (numbers("synapse_delay_ms")?, numbers("synapse_weight")?);
        for (key, found) in [
            ("synapse_pre", pre.len()),
            ("synapse_delay_ms", delays.len()),
            ("synapse_weight", weights.len()),
        ] {
            if found != post.len() {
                return Err(bad(key));
            }
        }
        let shape = matrix.dim();
        let edges: Vec<(usize, usize)> = post.into_iter().zip(pre).collect();
        if edges.iter().any(|&(post, pre)| post >= shape.0 || pre >= shape.1) {
            return Err(bad("synapse_post"));
        }
        let mut sums: BTreeMap<(usize, usize), (f64, usize)> = BTreeMap::new();
        for (&edge, &weight) in edges.iter().zip(&weights) {
            let (sum, count) = sums.entry(edge).or_default();
            *sum += weight;
            *count += 1;
        }
        let current = |(post, pre): (usize, usize)| matrix[(post, pre)] * receptor.jump[post];
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-12 * a.abs().max(b.abs());
        let listed = sums.iter().all(|(&edge, &(sum, count))| {
            // Sums of several may have been rounded.
            near(sum, current(edge)) || (count > 1 && (sum - current(edge)).abs() <= 1e-9)
        });
        let others = matrix.indexed_iter().all(|(edge, &w)| w == 0.0 || sums.contains_key(&edge));
        if !listed || !others {
            if !others || sums.values().any(|&(_, count)| count > 1) {
                return Err(bad("synapse_weight"));
            }
            report.assume(name, "its weights, which are not those of the metadata any more");
            weights = edges.iter().map(|&edge| current(edge)).collect();
        }
        Ok(Self { shape, edges, weights, delays })
    }

    /// With the delays, if there are any.
    fn recipe<F: Real>(self, number: &mut impl FnMut(f64) -> F, delayed: bool) -> SynapseRecipe<F> {
        let Self { shape, edges, weights, delays } = self;
        let mut order: Vec<usize> = (0..edges.len()).collect();
        order.sort_by_key(|&k| edges[k]);
        let all = (0..shape.0).flat_map(|j| (0..shape.1).map(move |i| (j, i)));
        let dense = order.iter().map(|&k| edges[k]).eq(all);
        let mut ordered =
            |values: &[f64]| -> Vec<F> { order.iter().map(|&k| number(values[k])).collect() };
        let (weights, delays) = (ordered(&weights), ordered(&delays));
        let recipe = if dense {
            Dense::weights(weights)
        } else {
            let edges = order.iter().map(|&k| edges[k]).map(|(post, pre)| (pre, post));
            Sparse::edges(edges).weights(weights)
        };
        if delayed { recipe.delays(delays) } else { recipe }
    }
}
