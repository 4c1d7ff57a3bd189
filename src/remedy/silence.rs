//! Remedies for silent neurons, which change their weights between batches.

use super::{RemedyError, check, check_layer};
use crate::{BatchSummary, Network, Real};

/// Raises the weights onto neurons that are silent too often.
///
/// With `share` = 1 and a summary of a whole epoch (see [`BatchSummary::merge`]) this is the lift of
/// Mészáros et al. (2025): every learned feed-forward weight into a neuron that never fired grows by
/// `amount`, 0.002 there, as far as its range allows. Neurons whose weights are fixed count as lifted all the same.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use]
pub struct SilentNeuronLift {
    /// What is added to the weights.
    pub amount: f64,
    /// The share of samples, in (0, 1], in which a neuron must have been silent to be lifted.
    pub share: f64,
}

impl SilentNeuronLift {
    /// Lifts neurons that were silent in all samples.
    pub fn new(amount: f64) -> Self {
        Self { amount, share: 1.0 }
    }

    /// Lifts neurons that were silent in at least this share of the samples.
    pub fn share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// Refuses what [`SilentNeuronLift::apply`] would, whatever the summary.
    pub(crate) fn check<F: Real>(
        &self,
        network: &dyn Network<F>,
        layer: usize,
    ) -> Result<(), RemedyError> {
        check_amount::<F>(self.amount)?;
        let in_range = |s: f64| s > 0.0 && s <= 1.0;
        check::<f64>("the share of silent samples", self.share, in_range, "in (0, 1]")?;
        check_layer(network, layer)
    }

    /// Applies the remedy to one layer, and returns how many neurons were lifted; they are counted in the
    /// summary's health as well.
    ///
    /// # Errors
    /// Constants that have no meaning, a layer that is not there or never fires, or a summary of another network.
    pub fn apply<F: Real>(
        &self,
        network: &mut dyn Network<F>,
        layer: usize,
        summary: &mut BatchSummary<F>,
    ) -> Result<usize, RemedyError> {
        self.check(network, layer)?;
        // The quotient, which rounds as the share itself did when it was written down.
        let (samples, share) = (summary.samples as f64, self.share);
        raise(network, layer, summary, self.amount, |silent| silent as f64 / samples >= share)
    }
}

/// Raises the weights onto silent neurons of a layer that misses too many spikes, ever more until it no
/// longer does: like the weight bump of DelGrad (Göltz et al. 2025).
///
/// A spike is missing where a neuron is silent in a sample. If the share of them among all neurons and samples
/// of a batch exceeds `tolerance`, every learned feed-forward weight into a neuron that was silent at least once
/// grows, as far as its range allows, by `amount` the first time and `growth` times as much in each following
/// batch. The first batch within the tolerance starts the series anew. Use one for each layer, and bump the earlier
/// layers first.
///
/// ```
/// use eventprop::remedy::WeightBump;
/// let mut bump = WeightBump::new(0.005).tolerance(0.1).growth(2.0);
/// # let _ = &mut bump;
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use]
pub struct WeightBump {
    amount: f64,
    tolerance: f64,
    growth: f64,
    /// What is added the next time; `None` if the last batch was within the tolerance.
    next: Option<f64>,
}

impl WeightBump {
    /// Bumps by this amount as soon as a spike is missing, twice as much each time.
    pub fn new(amount: f64) -> Self {
        Self { amount, tolerance: 0.0, growth: 2.0, next: None }
    }

    /// The share of missing spikes, in [0, 1], that is no reason to bump.
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// The factor, at least 1, from one bump to the next of a series.
    pub fn growth(mut self, growth: f64) -> Self {
        self.growth = growth;
        self
    }

    /// Refuses what [`WeightBump::apply`] would, whatever the summary.
    pub(crate) fn check<F: Real>(
        &self,
        network: &dyn Network<F>,
        layer: usize,
    ) -> Result<(), RemedyError> {
        check_amount::<F>(self.amount)?;
        let in_range = |t: f64| (0.0..=1.0).contains(&t);
        check::<f64>("the tolerance for missing spikes", self.tolerance, in_range, "in [0, 1]")?;
        check::<f64>("the growth of bumps", self.growth, |g| g >= 1.0, "finite, at least 1")?;
        check_layer(network, layer)
    }

    /// What a series of bumps has grown to.
    #[cfg(feature = "files")]
    pub(crate) fn series(&mut self) -> &mut Option<f64> {
        &mut self.next
    }

    /// Applies the remedy to one layer, and returns how many neurons were bumped; they are counted in the
    /// summary's health as well.
    ///
    /// # Errors
    /// Constants that have no meaning or an amount that has grown out of range, a layer that is not there or never fires, or
    /// a summary of another network.
    pub fn apply<F: Real>(
        &mut self,
        network: &mut dyn Network<F>,
        layer: usize,
        summary: &mut BatchSummary<F>,
    ) -> Result<usize, RemedyError> {
        self.check(network, layer)?;
        let amount = self.next.unwrap_or(self.amount);
        check_amount::<F>(amount)?;
        check_summary(network, layer, summary)?;
        let missing: u64 = summary.silent[layer].iter().sum();
        let all = summary.silent[layer].len() as f64 * summary.samples as f64;
        if missing == 0 || missing as f64 / all <= self.tolerance {
            self.next = None;
            return Ok(0);
        }
        // Where ranges of weights leave nothing to raise, it would grow for ever.
        let grown = amount * self.growth;
        self.next = Some(if F::of(grown).is_finite() { grown } else { amount });
        raise(network, layer, summary, amount, |_| true)
    }
}

fn check_amount<F: Real>(amount: f64) -> Result<(), RemedyError> {
    check::<F>("the amount to raise weights by", amount, |_| true, "finite")
}

fn check_summary<F: Real>(
    network: &dyn Network<F>,
    layer: usize,
    summary: &BatchSummary<F>,
) -> Result<(), RemedyError> {
    let expected = network.layer_info(layer).1;
    let found = summary.silent.get(layer).map_or(0, Vec::len);
    if found == expected { Ok(()) } else { Err(RemedyError::Summary { layer, found, expected }) }
}

/// Raises the weights onto neurons that were silent in so many samples; returns how many those are.
fn raise<F: Real>(
    network: &mut dyn Network<F>,
    layer: usize,
    summary: &mut BatchSummary<F>,
    amount: f64,
    too_often: impl Fn(u64) -> bool,
) -> Result<usize, RemedyError> {
    check_summary(network, layer, summary)?;
    let mut lifted = 0;
    for (neuron, &silent) in summary.silent[layer].iter().enumerate() {
        if silent > 0 && too_often(silent) {
            network.raise_weights(layer, neuron, F::of(amount));
            lifted += 1;
        }
    }
    summary.health.lifted += lifted;
    Ok(lifted)
}
