//! Folds for cross-validation.

use super::{DataError, Dataset};

impl Dataset {
    /// `k` pairs of a set for training and one for validation: each sample is in one of the latter. Classes are
    /// spread evenly. A sample that is in a [subset](Dataset::subset) twice counts as two.
    ///
    /// # Errors
    /// Less than two folds, or more than samples.
    pub fn k_fold(&self, k: usize, seed: u64) -> Result<Vec<(Self, Self)>, DataError> {
        let mut folds = empty(k, self.len(), "samples")?;
        // Dealt out like cards, class after class, so that folds differ by one sample at most.
        for (card, index) in self.shuffled_classes(seed).into_iter().flatten().enumerate() {
            folds[card % k].push(index);
        }
        self.pairs(folds)
    }

    /// As [`Dataset::k_fold`], with no group in both sets of a pair: validation on speakers that were not trained on.
    /// Groups in random order go to the fold that has the fewest samples.
    ///
    /// # Errors
    /// A sample without a group, less than two folds, or more than groups.
    pub fn k_fold_groups(&self, k: usize, seed: u64) -> Result<Vec<(Self, Self)>, DataError> {
        let groups = self.shuffled_groups(seed)?;
        let mut folds = empty(k, groups.len(), "groups")?;
        for group in groups {
            let least = folds.iter_mut().min_by_key(|fold| fold.len());
            least.into_iter().for_each(|fold| fold.extend_from_slice(&group));
        }
        self.pairs(folds)
    }

    /// Of each fold all others and itself.
    fn pairs(&self, folds: Vec<Vec<usize>>) -> Result<Vec<(Self, Self)>, DataError> {
        (0..folds.len())
            .map(|held| {
                let others = folds.iter().enumerate().filter(|&(fold, _)| fold != held);
                let rest = others.flat_map(|(_, fold)| fold).copied().collect();
                Ok((self.in_order(rest)?, self.in_order(folds[held].clone())?))
            })
            .collect()
    }
}

/// So many folds for so many `what`, of which each is to get one at least.
fn empty(k: usize, count: usize, what: &str) -> Result<Vec<Vec<usize>>, DataError> {
    if k < 2 || k > count {
        let what = format!("{k} folds of {count} {what}; from 2 to the number of {what}");
        return Err(DataError::Split { what });
    }
    Ok(vec![Vec::new(); k])
}

#[cfg(test)]
mod tests {
    use super::super::split::tests::{ids, set, together};
    use super::*;

    #[test]
    fn folds_hold_every_sample_out_once() {
        let labels: Vec<usize> = (0..31).map(|k| k % 3).collect();
        let set = set(&labels, false);
        let folds = set.k_fold(4, 1).unwrap();
        assert_eq!(together(folds.iter().map(|f| &f.1)), (0..31).collect::<Vec<_>>());
        for (rest, held) in &folds {
            assert_eq!(together([rest, held]), (0..31).collect::<Vec<_>>());
            assert!((7..=8).contains(&held.len()));
        }
        assert!(matches!(set.k_fold(1, 1), Err(DataError::Split { .. })));
        assert!(matches!(set.k_fold(32, 1), Err(DataError::Split { .. })));
    }

    #[test]
    fn no_group_is_on_both_sides_of_a_fold() {
        // Groups of 8, 8, 8 and 7 samples.
        let set = set(&[0; 31], true);
        let folds = set.k_fold_groups(3, 1).unwrap();
        assert_eq!(together(folds.iter().map(|f| &f.1)), (0..31).collect::<Vec<_>>());
        let mut groups = Vec::new();
        for (rest, held) in &folds {
            assert_eq!(together([rest, held]), (0..31).collect::<Vec<_>>());
            assert!(held.groups().iter().all(|group| !rest.groups().contains(group)));
            groups.push(held.groups().len());
        }
        groups.sort_unstable();
        assert_eq!(groups, [1, 1, 2]);
        let held = |seed| ids(&set.k_fold_groups(2, seed).unwrap()[0].1);
        assert_eq!(held(5), held(5));
        assert!((0..9).any(|seed| held(seed) != held(5)));
        assert!(set.k_fold_groups(1, 1).is_err());
        let error = set.k_fold_groups(5, 1).unwrap_err().to_string();
        assert!(error.contains("5 folds of 4 groups"), "{error}");
        let without = super::super::split::tests::set(&[0; 9], false);
        let error = without.k_fold_groups(2, 1).unwrap_err().to_string();
        assert!(error.contains("sample 0 belongs to no group"), "{error}");
    }
}
