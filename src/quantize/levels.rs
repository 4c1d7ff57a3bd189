//! Few values in place of many.

/// Replaces integers by at most `most` different ones, with the least sum of squared changes. Integers that
/// are few already stay.
pub(super) fn fewest(values: &mut [u32], most: usize) {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let groups: Vec<&[u32]> = sorted.chunk_by(|a, b| a == b).collect();
    if groups.len() <= most {
        return;
    }
    let clusters = Clusters::new(&groups);
    let starts = clusters.best(most);
    let ends = starts.iter().skip(1).copied().chain([groups.len()]);
    let levels: Vec<u32> = starts.iter().zip(ends).map(|(&i, j)| clusters.level(i, j)).collect();
    let last = |value: u32| starts.partition_point(|&start| groups[start][0] <= value) - 1;
    values.iter_mut().for_each(|value| *value = levels[last(*value)]);
}

/// The cost of replacing a run of different values, in order, by one.
struct Clusters {
    least: u32,
    /// Sums of the powers 0, 1 and 2 of the values before each place, counted from the least.
    sums: Vec<[f64; 3]>,
}

impl Clusters {
    fn new(groups: &[&[u32]]) -> Self {
        let least = groups[0][0];
        let mut sums = vec![[0.0; 3]];
        let mut sum = [0.0; 3];
        for group in groups {
            let (count, value) = (group.len() as f64, f64::from(group[0] - least));
            for (k, power) in [1.0, value, value * value].into_iter().enumerate() {
                sum[k] += count * power;
            }
            sums.push(sum);
        }
        Self { least, sums }
    }

    /// The integer next to the mean of the values from place i to j.
    fn centre(&self, i: usize, j: usize) -> f64 {
        let ([n, first, _], [m, second, _]) = (self.sums[i], self.sums[j]);
        ((second - first) / (m - n)).round()
    }

    fn level(&self, i: usize, j: usize) -> u32 {
        self.least + self.centre(i, j) as u32
    }

    fn cost(&self, i: usize, j: usize) -> f64 {
        let (from, to) = (self.sums[i], self.sums[j]);
        let [n, first, second] = [0, 1, 2].map(|k| to[k] - from[k]);
        let centre = self.centre(i, j);
        second - centre * (2.0 * first - centre * n)
    }

    /// Where the runs of the best division start: dynamic programming, one more run at a time. The best last
    /// start does not fall as more values are covered, so halving finds all of a round.
    fn best(&self, most: usize) -> Vec<usize> {
        let n = self.sums.len() - 1;
        let mut costs: Vec<f64> =
            (0..=n).map(|j| if j == 0 { 0.0 } else { self.cost(0, j) }).collect();
        let mut rounds: Vec<Vec<u32>> = vec![vec![0; n + 1]];
        for runs in 2..=most {
            let mut round = Round {
                clusters: self,
                before: &costs,
                runs,
                costs: vec![f64::INFINITY; n + 1],
                starts: vec![0; n + 1],
            };
            round.fill(runs, n, runs - 1, n - 1);
            let Round { costs: next, starts, .. } = round;
            costs = next;
            rounds.push(starts);
        }
        let mut end = n;
        let mut starts: Vec<usize> = rounds
            .iter()
            .rev()
            .map(|starts| {
                end = starts[end] as usize;
                end
            })
            .collect();
        starts.reverse();
        starts
    }
}

struct Round<'a> {
    clusters: &'a Clusters,
    before: &'a [f64],
    runs: usize,
    costs: Vec<f64>,
    starts: Vec<u32>,
}

impl Round<'_> {
    /// The best last start for the first `low..=high` values, known to lie in `from..=to`.
    fn fill(&mut self, low: usize, high: usize, from: usize, to: usize) {
        if low > high {
            return;
        }
        let middle = low + (high - low) / 2;
        for start in from.max(self.runs - 1)..=to.min(middle - 1) {
            let cost = self.before[start] + self.clusters.cost(start, middle);
            if cost < self.costs[middle] {
                self.costs[middle] = cost;
                self.starts[middle] = start as u32;
            }
        }
        let best = self.starts[middle] as usize;
        self.fill(low, middle - 1, from, best);
        self.fill(middle + 1, high, best, to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

    fn squares(from: &[u32], to: &[u32]) -> f64 {
        from.iter().zip(to).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
    }

    /// The least sum of squares over all choices of levels.
    fn brute(values: &[u32], most: usize, top: u32) -> f64 {
        let chosen = |set: u32| (0..=top).filter(move |k| set >> k & 1 == 1);
        let sets = (1_u32..1 << (top + 1)).filter(|set| set.count_ones() as usize <= most);
        let nearest = |set: u32, &v: &u32| chosen(set).map(|k| k.abs_diff(v).pow(2)).min().unwrap();
        let cost = |set| values.iter().map(|v| nearest(set, v)).sum::<u32>();
        f64::from(sets.map(cost).min().unwrap())
    }

    #[test]
    fn nothing_is_better() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..300 {
            let most = rng.random_range(1..6);
            let values: Vec<u32> = (0..rng.random_range(1..25))
                .map(|_| (12.0 * rng.random::<f64>().powi(2)) as u32)
                .collect();
            let mut few = values.clone();
            fewest(&mut few, most);
            let mut levels = few.clone();
            levels.sort_unstable();
            levels.dedup();
            assert!(levels.len() <= most);
            assert_eq!(squares(&values, &few), brute(&values, most, 11), "{values:?} {most}");
            let again = few.clone();
            fewest(&mut few, most);
            assert_eq!(few, again);
        }
    }

    #[test]
    fn a_single_level_is_next_to_the_mean() {
        let mut values = [0, 0, 7, 100_000];
        fewest(&mut values, 1);
        assert_eq!(values, [25_002; 4]);
    }

    #[test]
    fn many_values_are_no_burden() {
        let mut values: Vec<u32> = (0..=65_536).collect();
        fewest(&mut values, 256);
        assert_eq!(values.chunk_by(|a, b| a == b).count(), 256);
    }
}
