//! Delays as nodes can hold them: per channel before the weights, after them, or both; else few levels.

use std::collections::VecDeque;

/// A synapse: target, source, and delay in ms.
pub(super) type Edge = (usize, usize, f64);

/// Delays that two nodes can hold: that of a synapse is the sum of that of its source and that of its target.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Split {
    /// One per source, in ms; empty if all are 0.
    pub axonal: Vec<f64>,
    /// One per target, in ms; empty if all are 0.
    pub dendritic: Vec<f64>,
}

impl Split {
    fn new(axonal: Vec<f64>, dendritic: Vec<f64>) -> Self {
        let some = |delays: Vec<f64>| {
            if delays.iter().all(|&d| d == 0.0) { Vec::new() } else { delays }
        };
        Self { axonal: some(axonal), dendritic: some(dendritic) }
    }

    /// The delay of a synapse.
    pub fn sum(&self, post: usize, pre: usize) -> f64 {
        let of = |delays: &[f64], k: usize| delays.get(k).copied().unwrap_or(0.0);
        of(&self.axonal, pre) + of(&self.dendritic, post)
    }
}

/// The delays as a sum of those of sources and those of targets, none of them below 0, to the last digits; `None` if
/// they are not.
pub(super) fn split((post, pre): (usize, usize), edges: &[Edge]) -> Option<Split> {
    let by = |key: fn(&Edge) -> usize, len: usize| -> Option<Vec<f64>> {
        let mut delays = vec![None; len];
        edges.iter().all(|edge| *delays[key(edge)].get_or_insert(edge.2) == edge.2).then_some(())?;
        Some(delays.into_iter().map(|d| d.unwrap_or(0.0)).collect())
    };
    if let Some(axonal) = by(|e| e.1, pre) {
        return Some(Split::new(axonal, Vec::new()));
    }
    if let Some(dendritic) = by(|e| e.0, post) {
        return Some(Split::new(Vec::new(), dendritic));
    }
    let (axonal, dendritic) = potentials((post, pre), edges);
    let split = Split::new(axonal, dendritic);
    let longest = edges.iter().map(|e| e.2).fold(0.0, f64::max);
    let good = |&(post, pre, delay): &Edge| {
        (split.sum(post, pre) - delay).abs() <= 4.0 * f64::EPSILON * longest
    };
    edges.iter().all(good).then_some(split)
}

/// Goes from source to target to source along the synapses, so that one synapse after the other fits.
fn potentials((post, pre): (usize, usize), edges: &[Edge]) -> (Vec<f64>, Vec<f64>) {
    // Sources are nodes 0.., targets follow.
    let mut near = vec![Vec::new(); pre + post];
    for &(j, i, delay) in edges {
        near[i].push((pre + j, delay));
        near[pre + j].push((i, delay));
    }
    let mut delays = vec![0.0; pre + post];
    let mut seen = vec![false; pre + post];
    for start in 0..pre {
        if seen[start] {
            continue;
        }
        let (mut queue, mut component) = (VecDeque::from([start]), Vec::new());
        seen[start] = true;
        while let Some(node) = queue.pop_front() {
            component.push(node);
            for &(other, delay) in &near[node] {
                if !seen[other] {
                    seen[other] = true;
                    delays[other] = delay - delays[node];
                    queue.push_back(other);
                }
            }
        }
        // What is added to all sources is taken from all targets.
        let least = component.iter().filter(|&&n| n < pre).map(|&n| delays[n]);
        let shift = least.fold(f64::INFINITY, f64::min);
        for node in component {
            let moved = delays[node] + if node < pre { -shift } else { shift };
            // Below 0 by rounding, or not a sum at all, which shows when it is compared.
            delays[node] = moved.max(0.0);
        }
    }
    let dendritic = delays.split_off(pre);
    (delays, dendritic)
}

/// At most this many rounds: each can only shorten the moves.
const MOST_ROUNDS: usize = 100;

/// At most `most` delays that stand for all, ascending: those that there are if they are few enough, else the means of
/// neighbours, chosen so that squared moves are small.
pub(super) fn levels(delays: impl IntoIterator<Item = f64>, most: usize) -> Vec<f64> {
    let mut sorted: Vec<f64> = delays.into_iter().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut distinct = sorted.clone();
    distinct.dedup();
    if distinct.len() <= most {
        return distinct;
    }
    // Starts spread over the values, which are more than the levels.
    let at = |k: usize| distinct[(2 * k + 1) * distinct.len() / (2 * most)];
    let mut levels: Vec<f64> = (0..most).map(at).collect();
    for _ in 0..MOST_ROUNDS {
        let mut sums = vec![(0.0, 0.0); levels.len()];
        for &delay in &sorted {
            let (sum, count) = &mut sums[nearest(&levels, delay)];
            *sum += delay;
            *count += 1.0;
        }
        let means = sums.iter().zip(&levels);
        let means: Vec<f64> =
            means.map(|(&(sum, n), &level)| if n > 0.0 { sum / n } else { level }).collect();
        if means == levels {
            break;
        }
        levels = means;
    }
    levels
}

/// The place of the nearest of some levels, ascending; of two the first.
pub(super) fn nearest(levels: &[f64], delay: f64) -> usize {
    let above = levels.partition_point(|&level| level < delay);
    let nearer =
        above > 0 && (above == levels.len() || delay - levels[above - 1] <= levels[above] - delay);
    if nearer { above - 1 } else { above }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dense(rows: &[&[f64]]) -> Vec<Edge> {
        let row = |(j, row): (usize, &&[f64])| -> Vec<Edge> {
            row.iter().enumerate().map(|(i, &d)| (j, i, d)).collect()
        };
        rows.iter().enumerate().flat_map(row).collect()
    }

    #[test]
    fn delays_are_split_where_they_can_be() {
        let lists = |axonal: &[f64], dendritic: &[f64]| {
            Some(Split { axonal: axonal.to_vec(), dendritic: dendritic.to_vec() })
        };
        assert_eq!(split((2, 2), &dense(&[&[0.0, 0.0], &[0.0, 0.0]])), lists(&[], &[]));
        assert_eq!(split((2, 2), &dense(&[&[1.0, 2.0], &[1.0, 2.0]])), lists(&[1.0, 2.0], &[]));
        assert_eq!(split((2, 2), &dense(&[&[1.0, 1.0], &[2.0, 2.0]])), lists(&[], &[1.0, 2.0]));
        assert_eq!(
            split((2, 2), &dense(&[&[4.0, 3.0], &[6.0, 5.0]])),
            lists(&[1.0, 0.0], &[3.0, 5.0])
        );
        assert_eq!(split((2, 2), &dense(&[&[1.0, 0.0], &[0.0, 1.0]])), None);
        // A sum, but only with a delay below 0.
        assert_eq!(split((2, 3), &[(0, 0, 3.0), (1, 0, 0.0), (0, 1, 0.0), (1, 2, 9.0)]), None);
        // A chain of synapses always fits if nothing has to be below 0.
        let chain = [(0, 0, 3.0), (1, 0, 2.0), (1, 1, 7.0), (2, 2, 1.0)];
        let found = split((3, 3), &chain).unwrap();
        assert!(chain.iter().all(|&(j, i, d)| found.sum(j, i) == d));
    }

    #[test]
    fn levels_are_means_of_neighbours() {
        assert_eq!(levels([3.0, 1.0, 3.0], 2), [1.0, 3.0]);
        assert_eq!(levels([0.0, 1.0, 9.0, 10.0, 11.0], 2), [0.5, 10.0]);
        assert_eq!(levels([0.0, 1.0, 2.0], 1), [1.0]);
        assert_eq!(nearest(&[0.5, 10.0], 1e9), 1);
        assert_eq!([0.0, 5.0, 5.25, 5.5].map(|d| nearest(&[0.5, 10.0], d)), [0, 0, 0, 1]);
    }
}
