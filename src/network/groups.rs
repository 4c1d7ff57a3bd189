//! Order of evaluation: which layers must be simulated together, and which after which.

/// Strongly connected groups of `layers` nodes under `edges` (from, to), sources first.
///
/// Layers that reach each other share a group. Networks have few layers, so reachability is worked
/// out in full.
pub(super) fn groups(layers: usize, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut reach = vec![vec![false; layers]; layers];
    for &(from, to) in edges {
        reach[from][to] = true;
    }
    for via in 0..layers {
        let onwards = reach[via].clone();
        for row in reach.iter_mut().filter(|row| row[via]) {
            row.iter_mut().zip(&onwards).for_each(|(reached, further)| *reached |= further);
        }
    }
    let together = |a: usize, b: usize| reach[a][b] && reach[b][a];
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for node in 0..layers {
        match groups.iter_mut().find(|group| together(group[0], node)) {
            Some(group) => group.push(node),
            None => groups.push(vec![node]),
        }
    }
    // A group that reaches another is reached by fewer nodes outside of itself.
    let reached_by =
        |g: &[usize]| (0..layers).filter(|&n| !g.contains(&n) && reach[n][g[0]]).count();
    groups.sort_by_key(|g| (reached_by(g), g[0]));
    groups
}

#[cfg(test)]
mod tests {
    use super::groups;

    #[test]
    fn chains_cycles_and_skips() {
        assert_eq!(groups(3, &[(2, 1), (1, 0)]), [[2], [1], [0]]);
        assert_eq!(groups(2, &[(0, 0), (0, 1)]), [[0], [1]]);
        assert_eq!(
            groups(5, &[(0, 1), (1, 2), (2, 1), (2, 3), (0, 3), (4, 0)]),
            [vec![4], vec![0], vec![1, 2], vec![3]]
        );
    }
}
