//! Order of evaluation: which layers must be simulated together, and which after which.

/// Strongly connected groups of `layers` nodes under `edges` (from, to), sources first: layers that reach each other share a
/// group (Kosaraju's algorithm).
pub(super) fn groups(layers: usize, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let onwards = lists(layers, edges.iter().copied());
    let back = lists(layers, edges.iter().map(|&(from, to)| (to, from)));
    // From the last on: mostly layers that do not reach each other keep their order.
    let mut finished = Vec::new();
    let mut seen = vec![false; layers];
    for node in (0..layers).rev() {
        visit(node, &onwards, &mut seen, &mut finished);
    }
    seen.fill(false);
    let mut groups = Vec::new();
    for &node in finished.iter().rev() {
        let mut group = Vec::new();
        visit(node, &back, &mut seen, &mut group);
        if !group.is_empty() {
            group.sort_unstable();
            groups.push(group);
        }
    }
    groups
}

/// Of every node those that its edges lead to.
fn lists(nodes: usize, edges: impl Iterator<Item = (usize, usize)>) -> Vec<Vec<usize>> {
    let mut lists = vec![Vec::new(); nodes];
    edges.for_each(|(from, to)| lists[from].push(to));
    lists
}

/// Appends what is reached from a node and was not seen, itself last and each after all that it leads to.
fn visit(node: usize, edges: &[Vec<usize>], seen: &mut [bool], finished: &mut Vec<usize>) {
    if std::mem::replace(&mut seen[node], true) {
        return;
    }
    // Each node on the way with its edges that are left. No recursion: networks may be deep.
    let mut way = vec![(node, edges[node].iter())];
    while let Some((node, left)) = way.last_mut() {
        match left.find(|&&next| !std::mem::replace(&mut seen[next], true)) {
            Some(&next) => way.push((next, edges[next].iter())),
            None => {
                finished.push(*node);
                way.pop();
            }
        }
    }
}

/// Which layers are reached from some of them.
pub(super) fn reached(from: Vec<bool>, edges: impl Iterator<Item = (usize, usize)>) -> Vec<bool> {
    let onwards = lists(from.len(), edges);
    let mut seen = vec![false; from.len()];
    for node in (0..from.len()).filter(|&node| from[node]) {
        visit(node, &onwards, &mut seen, &mut Vec::new());
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::{groups, reached};

    #[test]
    fn chains_cycles_and_skips() {
        assert_eq!(groups(3, &[(2, 1), (1, 0)]), [[2], [1], [0]]);
        assert_eq!(groups(2, &[(0, 0), (0, 1)]), [[0], [1]]);
        assert_eq!(
            groups(5, &[(0, 1), (1, 2), (2, 1), (2, 3), (0, 3), (4, 0)]),
            [vec![4], vec![0], vec![1, 2], vec![3]]
        );
        assert_eq!(groups(3, &[]), [[0], [1], [2]]);
        assert_eq!(groups(4, &[(3, 0), (0, 3), (2, 1)]), [vec![2], vec![1], vec![0, 3]]);
    }

    #[test]
    fn long_chains_take_no_long_time() {
        let chain: Vec<_> = (1..100_000).map(|k| (k, k - 1)).collect();
        let groups = groups(100_000, &chain);
        assert!(groups.iter().rev().enumerate().all(|(k, group)| *group == [k]));
        let mut from = vec![false; 100_000];
        from[70_000] = true;
        let reached = reached(from, chain.into_iter());
        assert_eq!(reached.iter().position(|r| !r), Some(70_001));
    }
}
