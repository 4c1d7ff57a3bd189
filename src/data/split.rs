//! Splits of a set: each is a function of the labels or groups and a seed.

use super::{DataError, Dataset};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;

impl Dataset {
    /// Splits the set into one part per fraction, each with its share of every class; what is left over by
    /// rounding goes to the parts that miss most, the first first. If every sample is alone in its class, or all are in one,
    /// it is a random split.
    ///
    /// ```
    /// # use eventprop::data::Dataset;
    /// # let mut set = Dataset::builder(1, 10.0).classes(2);
    /// # let spikes = eventprop::SpikeTrains::from_channels([[1.0]])?;
    /// # for k in 0..20 { set.push(&spikes, k % 2)?; }
    /// # let set = set.build()?;
    /// let parts = set.split_stratified(&[0.7, 0.1, 0.2], 1)?;
    /// assert_eq!([parts[0].len(), parts[1].len(), parts[2].len()], [14, 2, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Fractions that are negative or do not add up to 1, or a part that would be empty.
    pub fn split_stratified(&self, fractions: &[f64], seed: u64) -> Result<Vec<Self>, DataError> {
        check(fractions)?;
        let mut parts = vec![Vec::new(); fractions.len()];
        let mut owed = vec![0.0; fractions.len()];
        for members in self.shuffled_classes(seed) {
            let mut rest = &members[..];
            let counts = shares(members.len(), fractions, &mut owed);
            for (part, count) in parts.iter_mut().zip(counts) {
                let (own, others) = rest.split_at(count);
                part.extend_from_slice(own);
                rest = others;
            }
        }
        self.parts(parts, fractions)
    }

    /// Splits the set into one part per fraction, no group in two of them: train, choose and test on different speakers.
    /// Groups in random order go to the part that lacks most, so that parts are about as large as their fractions say.
    ///
    /// # Errors
    /// Fractions that are negative or do not add up to 1, a sample without a group, or a part that would be empty.
    pub fn split_groups(&self, fractions: &[f64], seed: u64) -> Result<Vec<Self>, DataError> {
        check(fractions)?;
        let mut parts = vec![Vec::new(); fractions.len()];
        for group in self.shuffled_groups(seed)? {
            let lacks = |k: usize| fractions[k] * self.len() as f64 - parts[k].len() as f64;
            let most = (0..parts.len()).max_by(|&a, &b| lacks(a).total_cmp(&lacks(b)));
            most.into_iter().for_each(|k| parts[k].extend_from_slice(&group));
        }
        self.parts(parts, fractions)
    }

    /// Subsets of which none is empty.
    fn parts(&self, parts: Vec<Vec<usize>>, fractions: &[f64]) -> Result<Vec<Self>, DataError> {
        if let Some(empty) = parts.iter().position(Vec::is_empty) {
            let what =
                format!("part {empty} of {fractions:?} would be empty of {} samples", self.len());
            return Err(DataError::Split { what });
        }
        parts.into_iter().map(|part| self.in_order(part)).collect()
    }

    /// The samples of all groups but one, and those of that one: train on the first, and see on the second how
    /// well that carries over to a new speaker.
    ///
    /// # Errors
    /// A sample without a group, a set without this one, or nothing else in it.
    pub fn leave_group_out(&self, group: u32) -> Result<(Self, Self), DataError> {
        self.check_groups()?;
        let (held, rest): (Vec<usize>, Vec<usize>) =
            (0..self.len()).partition(|&k| self.group(k) == Some(group));
        if held.is_empty() || rest.is_empty() {
            let groups = self.groups();
            let what = format!("group {group} cannot be left out of the groups {groups:?}");
            return Err(DataError::Split { what });
        }
        Ok((self.subset(&rest)?, self.subset(&held)?))
    }

    /// A sample without a group would be in no part or in all.
    fn check_groups(&self) -> Result<(), DataError> {
        let alone = (0..self.len()).find(|&k| self.group(k).is_none());
        alone.map_or(Ok(()), |k| {
            Err(DataError::Split { what: format!("sample {k} belongs to no group") })
        })
    }

    /// The groups that occur, ascending.
    pub fn groups(&self) -> Vec<u32> {
        let mut groups: Vec<u32> = (0..self.len()).filter_map(|k| self.group(k)).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// The samples of each class that occurs, in random order; classes likewise, since where they are small their order
    /// decides which of them a part gets.
    pub(super) fn shuffled_classes(&self, seed: u64) -> Vec<Vec<usize>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut classes = self.alike(|k| self.label(k));
        classes.iter_mut().for_each(|members| members.shuffle(&mut rng));
        classes.shuffle(&mut rng);
        classes
    }

    /// The samples of each group, groups in random order.
    pub(super) fn shuffled_groups(&self, seed: u64) -> Result<Vec<Vec<usize>>, DataError> {
        self.check_groups()?;
        let mut groups = self.alike(|k| self.group(k));
        groups.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        Ok(groups)
    }

    /// The samples with the same key, by keys in order.
    fn alike<K: Ord>(&self, key: impl Fn(usize) -> K) -> Vec<Vec<usize>> {
        let mut alike: BTreeMap<K, Vec<usize>> = BTreeMap::new();
        (0..self.len()).for_each(|k| alike.entry(key(k)).or_default().push(k));
        alike.into_values().collect()
    }

    /// A subset in the order of the set.
    pub(super) fn in_order(&self, mut indices: Vec<usize>) -> Result<Self, DataError> {
        indices.sort_unstable();
        self.subset(&indices)
    }
}

fn check(fractions: &[f64]) -> Result<(), DataError> {
    let sum: f64 = fractions.iter().sum();
    if fractions.iter().any(|f| f.is_nan() || *f < 0.0) || (sum - 1.0).abs() > 1e-9 {
        let what = format!(
            "the fractions {fractions:?} must not be negative and add up to 1; they add up to {sum}"
        );
        return Err(DataError::Split { what });
    }
    Ok(())
}

/// How many of `count` each part gets, by the method of largest remainders, given what the classes before owe it; what this
/// one owes is added. So the parts of many small classes are as large as their fractions say.
fn shares(count: usize, fractions: &[f64], owed: &mut [f64]) -> Vec<usize> {
    let due: Vec<f64> = fractions.iter().zip(&*owed).map(|(f, o)| f * count as f64 + o).collect();
    // 0.7 of 10 is 7, whatever rounding makes of it.
    let mut shares: Vec<usize> = due.iter().map(|d| (d + 1e-9).max(0.0) as usize).collect();
    let missing = |shares: &[usize], k: usize| due[k] - shares[k] as f64;
    let by_missing = |shares: &[usize], a: usize, b: usize| {
        // The first of equals, but for what rounding makes of them.
        let difference = missing(shares, a) - missing(shares, b);
        if difference.abs() < 1e-9 { b.cmp(&a) } else { difference.total_cmp(&0.0) }
    };
    let all = 0..fractions.len();
    while shares.iter().sum::<usize>() < count {
        let most = all.clone().max_by(|&a, &b| by_missing(&shares, a, b));
        most.into_iter().for_each(|k| shares[k] += 1);
    }
    // Where a part has had so much that it is due less than nothing, others are due too much.
    while shares.iter().sum::<usize>() > count {
        let some = all.clone().filter(|&k| shares[k] > 0);
        let least = some.min_by(|&a, &b| by_missing(&shares, a, b));
        least.into_iter().for_each(|k| shares[k] -= 1);
    }
    for ((owed, due), share) in owed.iter_mut().zip(&due).zip(&shares) {
        *owed = due - *share as f64;
    }
    shares
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::SpikeTrains;

    /// Samples with these labels, the spike of each at its number; groups are 0 to 3 in turn.
    pub fn set(labels: &[usize], groups: bool) -> Dataset {
        let mut set = Dataset::builder(1, 200.0).classes(3);
        for (k, &label) in labels.iter().enumerate() {
            let spikes = SpikeTrains::from_channels([[k as f64]]).unwrap();
            let added = set.push(&spikes, label).unwrap();
            if groups {
                added.group(k as u32 % 4);
            }
        }
        set.build().unwrap()
    }

    /// Which samples these are: their only event says so.
    pub fn ids(set: &Dataset) -> Vec<usize> {
        (0..set.len()).map(|k| set.spikes(k).unwrap().channel(0)[0] as usize).collect()
    }

    pub fn together<'a>(sets: impl IntoIterator<Item = &'a Dataset>) -> Vec<usize> {
        let mut all: Vec<usize> = sets.into_iter().flat_map(ids).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn stratified_parts_share_out_every_class() {
        let labels: Vec<usize> =
            (0..100).map(|k| usize::from(k >= 50) + usize::from(k >= 80)).collect();
        let set = set(&labels, false);
        let parts = set.split_stratified(&[0.7, 0.1, 0.2], 3).unwrap();
        assert_eq!(together(&parts), (0..100).collect::<Vec<_>>());
        for (part, share) in parts.iter().zip([7, 1, 2]) {
            for (class, tens) in [(0, 5), (1, 3), (2, 2)] {
                let own = (0..part.len()).filter(|&k| part.label(k) == class).count();
                assert_eq!(own, share * tens);
            }
        }
        let again = set.split_stratified(&[0.7, 0.1, 0.2], 3).unwrap();
        assert_eq!(ids(&parts[1]), ids(&again[1]));
        let other = set.split_stratified(&[0.7, 0.1, 0.2], 4).unwrap();
        assert_ne!(ids(&parts[1]), ids(&other[1]));
    }

    #[test]
    fn nothing_is_lost_by_rounding() {
        for count in 0..50 {
            for fractions in [vec![0.7, 0.1, 0.2], vec![1.0 / 3.0; 3], vec![0.5, 0.5], vec![1.0]] {
                let mut owed = vec![0.0; fractions.len()];
                let mut given = vec![0; fractions.len()];
                for class in 1..=20 {
                    let shares = shares(count, &fractions, &mut owed);
                    assert_eq!(shares.iter().sum::<usize>(), count);
                    given.iter_mut().zip(&shares).for_each(|(all, share)| *all += share);
                    // What rounding leaves does not add up from class to class.
                    for (given, f) in given.iter().zip(&fractions) {
                        assert!((*given as f64 - f * (count * class) as f64).abs() < 1.0 + 1e-6);
                    }
                }
            }
        }
    }

    #[test]
    fn many_small_classes_are_split_as_the_fractions_say() {
        for (members, fractions, sizes) in
            [(3, [0.5, 0.5], [150, 150]), (4, [0.8, 0.2], [320, 80]), (4, [0.9, 0.1], [360, 40])]
        {
            let samples = (0..100 * members).map(|k| (SpikeTrains::silent(1), k % 100));
            let set = Dataset::from_samples(1, 100, 1.0, samples).unwrap();
            let parts = set.split_stratified(&fractions, 1).unwrap();
            assert_eq!([parts[0].len(), parts[1].len()], sizes);
        }
    }

    #[test]
    fn the_seed_chooses_among_samples_that_are_alone_in_their_class() {
        let samples = (0..30).map(|k| (SpikeTrains::from_channels([[k as f64]]).unwrap(), k));
        let set = Dataset::from_samples(1, 30, 30.0, samples).unwrap();
        let held = |seed| ids(&set.split_stratified(&[0.8, 0.2], seed).unwrap()[1]);
        let fold = |seed| ids(&set.k_fold(5, seed).unwrap()[0].1);
        assert_eq!((held(1).len(), fold(1).len()), (6, 6));
        assert!(held(1) == held(1) && held(1) != held(2));
        assert!(fold(1) == fold(1) && fold(1) != fold(2));
    }

    #[test]
    fn groups_are_left_out_whole() {
        let set = set(&[0; 20], true);
        assert_eq!(set.groups(), [0, 1, 2, 3]);
        let (rest, held) = set.leave_group_out(2).unwrap();
        assert!(ids(&held).iter().all(|id| id % 4 == 2) && held.len() == 5);
        assert_eq!(together([&rest, &held]), (0..20).collect::<Vec<_>>());
        assert!(matches!(set.leave_group_out(4), Err(DataError::Split { .. })));
        let alone = set.leave_group_out(2).unwrap().1;
        assert!(matches!(alone.leave_group_out(2), Err(DataError::Split { .. })));
        // A sample without a group would be in every part for training.
        let mut some = Dataset::builder(1, 1.0).classes(1);
        for group in [Some(1), None, Some(2)] {
            let added = some.push(&SpikeTrains::silent(1), 0).unwrap();
            group.map(|group| added.group(group));
        }
        let some = some.build().unwrap();
        let error = some.leave_group_out(1).unwrap_err().to_string();
        assert!(error.contains("sample 1 belongs to no group"), "{error}");
    }

    #[test]
    fn splits_that_cannot_be_are_refused() {
        let set = set(&[0, 1], false);
        for fractions in
            [vec![0.5, 0.6], vec![-0.5, 1.5], vec![f64::NAN, 1.0], vec![0.9, 0.05, 0.05]]
        {
            assert!(matches!(set.split_stratified(&fractions, 1), Err(DataError::Split { .. })));
        }
    }

    #[test]
    fn groups_stay_whole() {
        let labels: Vec<usize> = (0..40).map(|k| k % 3).collect();
        let set = set(&labels, true);
        let parts = set.split_groups(&[0.5, 0.25, 0.25], 7).unwrap();
        assert_eq!(parts.iter().map(Dataset::len).collect::<Vec<_>>(), [20, 10, 10]);
        assert_eq!(together(&parts), (0..40).collect::<Vec<_>>());
        let mut groups: Vec<u32> = parts.iter().flat_map(Dataset::groups).collect();
        groups.sort_unstable();
        assert_eq!(groups, [0, 1, 2, 3]);
        assert_eq!(
            set.split_groups(&[0.5, 0.25, 0.25], 7).unwrap().iter().map(ids).collect::<Vec<_>>(),
            parts.iter().map(ids).collect::<Vec<_>>()
        );
        let others = (0..9).map(|seed| ids(&set.split_groups(&[0.5, 0.5], seed).unwrap()[0]));
        assert!(others.collect::<std::collections::BTreeSet<_>>().len() > 2);
        assert!(set.split_groups(&[0.2; 5], 1).unwrap_err().to_string().contains("would be empty"));
        assert!(set.split_groups(&[0.5, 0.6], 1).is_err());
        let without = super::tests::set(&labels, false);
        assert!(without.split_groups(&[1.0], 1).unwrap_err().to_string().contains("sample 0"));
    }
}
