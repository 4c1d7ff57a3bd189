//! How neurons reach neurons: delays, weights, delays.

use super::{Graph, NirError, Node, Value};
use crate::exchange::nir::neurons::{fires, size};
use ndarray::Array2;
use std::collections::{BTreeMap, BTreeSet};

/// The edges of a graph, by their ends.
pub(super) struct Edges<'a> {
    before: BTreeMap<&'a str, Vec<&'a str>>,
    after: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Edges<'a> {
    pub fn new(graph: &'a Graph) -> Result<Self, NirError> {
        let mut edges = Self { before: BTreeMap::new(), after: BTreeMap::new() };
        let mut seen = BTreeSet::new();
        for (from, to) in &graph.edges {
            for node in [from, to] {
                if !graph.nodes.contains_key(node) {
                    return Err(NirError::UnknownNode { node: node.clone() });
                }
            }
            if !seen.insert((from, to)) {
                return Err(NirError::DuplicateEdge { from: from.clone(), to: to.clone() });
            }
            edges.before.entry(to).or_default().push(from);
            edges.after.entry(from).or_default().push(to);
        }
        Ok(edges)
    }

    /// The nodes from which edges lead to this one.
    pub fn before(&self, node: &str) -> &[&'a str] {
        self.before.get(node).map_or(&[], Vec::as_slice)
    }

    /// The nodes to which edges lead from this one.
    pub fn after(&self, node: &str) -> &[&'a str] {
        self.after.get(node).map_or(&[], Vec::as_slice)
    }
}

/// One way from a population to a layer. Delays are in the unit of the file.
pub(super) struct Path<'a> {
    /// The node where it starts.
    pub source: &'a str,
    pub sources: usize,
    /// The node with the weights, and these, post x pre; without it neurons lead to those of the same number.
    pub linear: Option<(&'a str, &'a Node, Array2<f64>)>,
    /// A constant drive, one per target; empty if there is none.
    pub bias: Vec<f64>,
    /// One per source; empty if there are none.
    pub axonal: Vec<f64>,
    /// One per target; empty if there are none.
    pub dendritic: Vec<f64>,
}

/// A field of numbers.
fn numbers(name: &str, node: &Node, key: &str) -> Result<Vec<f64>, NirError> {
    let numbers = node.fields.get(key).and_then(Value::numbers);
    numbers.ok_or_else(|| NirError::Field {
        node: name.into(),
        field: key.into(),
        expected: "numbers",
    })
}

/// The number of channels of an input.
pub(super) fn channels(name: &str, node: &Node) -> Result<usize, NirError> {
    let sizes = node.fields.get("shape").and_then(Value::places);
    let product = sizes.and_then(|s| s.iter().try_fold(1_usize, |all, &n| all.checked_mul(n)));
    let expected = "sizes";
    product.ok_or_else(|| NirError::Field { node: name.into(), field: "shape".into(), expected })
}

fn add(delays: &mut Vec<f64>, more: Vec<f64>, node: &str) -> Result<(), NirError> {
    if delays.is_empty() {
        *delays = more;
        return Ok(());
    }
    expect(node, "delays", more.len(), delays.len())?;
    delays.iter_mut().zip(more).for_each(|(sum, delay)| *sum += delay);
    Ok(())
}

fn expect(node: &str, what: &'static str, found: usize, expected: usize) -> Result<(), NirError> {
    let node = node.into();
    if found == expected { Ok(()) } else { Err(NirError::Size { node, what, found, expected }) }
}

/// Follows an edge back to the population that it comes from.
pub(super) fn trace<'a>(
    graph: &'a Graph,
    edges: &Edges<'a>,
    last: &'a str,
    targets: usize,
) -> Result<Path<'a>, NirError> {
    let unsupported = |node: &str, problem| NirError::Unsupported { node: node.into(), problem };
    let mut path = Path {
        source: last,
        sources: 0,
        linear: None,
        bias: Vec::new(),
        axonal: Vec::new(),
        dendritic: Vec::new(),
    };
    let mut steps = 0;
    loop {
        let (name, node) = (path.source, &graph.nodes[path.source]);
        match (node.kind.as_str(), fires(&node.kind)) {
            ("Input", _) => path.sources = channels(name, node)?,
            (_, Some(true)) => path.sources = size(name, node)?,
            (_, Some(false)) => {
                return Err(unsupported(name, "it never fires, and potentials lead nowhere here"));
            }
            ("Delay", _) => {
                let delays = numbers(name, node, "delay")?;
                let sum =
                    if path.linear.is_none() { &mut path.dendritic } else { &mut path.axonal };
                add(sum, delays, name)?;
            }
            ("Linear" | "Affine", _) if path.linear.is_some() => {
                return Err(unsupported(
                    name,
                    "weights follow upon weights without neurons between",
                ));
            }
            ("Linear" | "Affine", _) => {
                let weight = node.fields.get("weight");
                let matrix = match weight.map(Value::shape) {
                    Some(&[post, pre]) => numbers(name, node, "weight")
                        .ok()
                        .and_then(|values| Array2::from_shape_vec((post, pre), values).ok()),
                    _ => None,
                };
                let (field, expected) = ("weight".into(), "a matrix");
                let bad = NirError::Field { node: name.into(), field, expected };
                path.linear = Some((name, node, matrix.ok_or(bad)?));
                if node.kind == "Affine" {
                    path.bias = numbers(name, node, "bias")?;
                }
            }
            (kind, _) => {
                return Err(NirError::UnknownKind { node: name.into(), kind: kind.into() });
            }
        }
        if path.sources > 0 || node.kind == "Input" {
            break;
        }
        steps += 1;
        path.source = match edges.before(name) {
            [before] if steps <= graph.nodes.len() => before,
            [_] => return Err(unsupported(name, "it is on a circle without neurons")),
            [] => return Err(unsupported(name, "nothing leads to it")),
            _ => return Err(unsupported(name, "more than one node leads to it")),
        };
    }
    let sources = path.sources;
    match &path.linear {
        Some((name, _, matrix)) => {
            expect(name, "rows of weights", matrix.dim().0, targets)?;
            expect(name, "columns of weights", matrix.dim().1, sources)?;
            if !path.bias.is_empty() {
                expect(name, "biases", path.bias.len(), targets)?;
            }
        }
        None => expect(path.source, "channels", sources, targets)?,
    }
    for (delays, wanted) in [(&path.axonal, sources), (&path.dendritic, targets)] {
        if !delays.is_empty() {
            expect(last, "delays", delays.len(), wanted)?;
        }
    }
    Ok(path)
}
