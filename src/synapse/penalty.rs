//! A penalty on long delays.

use crate::{AdjointError, Gradients, Network, Real, SpikingNetwork};

/// Adds l1 sum d + l2 / 2 sum d^2 to a loss, over the delays d in ms of all synapses of a network.
///
/// It sees the delays themselves, whatever their parameters are: an axonal delay counts as often as it has
/// synapses. The loss is per batch: add it to the gradients before the step.
///
/// ```
/// use eventprop::{DelayPenalty, Dense, Gradients, Lif, Network, NetworkBuilder};
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
/// let mut net = NetworkBuilder::<f64>::new();
/// let input = net.input("input", 2);
/// let output = net.layer("output", Lif::new(3));
/// net.connect(input, output, Dense::weights(1.0).delays(2.0));
/// let net = net.build(&mut ChaCha8Rng::seed_from_u64(1))?;
/// let mut gradients = Gradients::zeros(net.layout());
/// let loss = DelayPenalty { l1: 0.1, l2: 0.5 }.add_to(&net, &mut gradients)?;
/// assert!((loss - 6.0 * (0.1 * 2.0 + 0.25 * 4.0)).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DelayPenalty<F = f64> {
    /// Per ms.
    pub l1: F,
    /// Per ms^2.
    pub l2: F,
}

impl<F: Real> DelayPenalty<F> {
    /// Adds the gradients of the penalty to `gradients`, and returns its value.
    ///
    /// # Errors
    /// Gradients of another network; nothing is added then.
    pub fn add_to(
        &self,
        network: &SpikingNetwork<F>,
        gradients: &mut Gradients<F>,
    ) -> Result<F, AdjointError> {
        if network.layout() != gradients.layout() {
            return Err(AdjointError::Layout);
        }
        let mut value = F::zero();
        let mut rest = gradients.values_mut();
        let (mut weights, mut delays) = (Vec::new(), Vec::new());
        for (projection, &len) in network.projections.iter().zip(&network.parameter_counts) {
            let synapses = &projection.synapses;
            weights.clear();
            weights.resize(synapses.synapses(), F::zero());
            delays.clear();
            for synapse in (0..synapses.shape().0).flat_map(|post| synapses.row(post).iter()) {
                let d = synapse.delay;
                value += self.l1 * d + F::of(0.5) * self.l2 * d * d;
                delays.push(self.l1 + self.l2 * d);
            }
            let (part, others) = rest.split_at_mut(len);
            synapses.pull_back(&weights, &delays, part);
            rest = others;
        }
        Ok(value)
    }
}
