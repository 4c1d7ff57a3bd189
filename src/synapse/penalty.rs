//! A penalty on long delays.

use crate::{AdjointError, Gradients, Network, Real, Synapse};

/// Adds l1 sum d + l2 / 2 sum d^2 to a loss, over the delays d in ms of all synapses of a network.
///
/// It sees the delays themselves, whatever their parameters are: an axonal delay counts as often as it has
/// synapses. The loss is per batch: [`Trainer::delay_penalty`](crate::train::Trainer::delay_penalty) adds its gradients to
/// those of each batch, and so does a loop of one's own before the step. Penalties on other functions of the synapses:
/// [`Network::pull_back`].
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
pub struct DelayPenalty {
    /// Per ms.
    pub l1: f64,
    /// Per ms^2.
    pub l2: f64,
}

impl DelayPenalty {
    /// Adds the gradients of the penalty to `gradients`, and returns its value.
    ///
    /// # Errors
    /// Gradients of another network; nothing is added then.
    pub fn add_to<F: Real>(
        &self,
        network: &dyn Network<F>,
        gradients: &mut Gradients<F>,
    ) -> Result<F, AdjointError> {
        let (l1, l2) = (F::of(self.l1), F::of(self.l2));
        let mut value = F::zero();
        let mut derivatives = |Synapse { delay, .. }: Synapse<F>| {
            value += l1 * delay + F::of(0.5) * l2 * delay * delay;
            [F::zero(), l1 + l2 * delay]
        };
        network.pull_back(&mut derivatives, gradients)?;
        Ok(value)
    }
}
