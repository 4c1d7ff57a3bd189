//! Networks for hardware: delays on a grid, weights of a few bits.

mod error;
mod levels;
mod report;
mod rounding;
mod straight_through;

pub use error::QuantizeError;
pub use report::{MovedSynapse, QuantizationReport, QuantizedProjection, Rounding};
use straight_through::StraightThrough;

use crate::{DelayedSynapses, Network, Real, SpikingNetwork, Synapses};

/// The most steps of a grid of delays: its points have 16 bits, as on hardware, and the search for few of them stays short.
const MOST_STEPS: u32 = 65_536;

/// How the delays and the weights of a network are rounded. Without an option nothing is.
///
/// A delay becomes a whole number of steps, the nearest that its bounds allow; where delays add (axonal and
/// dendritic ones, say), each of them does, so the sum is one as well. A weight becomes an integer of so many
/// bits times a scale, that of its projection. Time stays continuous: a quantised network is simulated and
/// differentiated exactly, as any network. Rounding twice is rounding once, to the last bit.
///
/// ```
/// use eventprop::{Dense, Lif, NetworkBuilder, Quantization};
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
/// use rand_distr::{Normal, Uniform};
///
/// let mut net = NetworkBuilder::<f64>::new();
/// let input = net.input("input", 4);
/// let output = net.layer("output", Lif::new(10));
/// net.connect(input, output, Dense::weights(Normal::new(1.0, 0.5)?).delays(Uniform::new(0.0, 20.0)?));
/// let net = net.build(&mut ChaCha8Rng::seed_from_u64(1))?;
///
/// let quantization = Quantization::new().delay_step(1.0).max_steps(15).weight_bits(4);
/// let (coarse, report) = quantization.apply(&net)?;
/// let projection = &report.projections[0];
/// assert!(projection.delays.clipped > 0);
/// let most = projection.delays.most_moved[0];
/// println!("{} -> {}: {} ms became {} ms", most.pre, most.post, most.before, most.after);
/// # let _ = coarse;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use]
pub struct Quantization {
    step: Option<f64>,
    max_steps: Option<u32>,
    levels: Option<usize>,
    bits: Option<u32>,
    clip: f64,
    listed: usize,
}

impl Default for Quantization {
    fn default() -> Self {
        Self { step: None, max_steps: None, levels: None, bits: None, clip: 0.0, listed: 10 }
    }
}

impl Quantization {
    /// Nothing is rounded yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Delays are multiples of this many ms.
    pub fn delay_step(mut self, step: f64) -> Self {
        self.step = Some(step);
        self
    }

    /// Delays have at most this many steps, up to 65536; longer ones are clipped, and counted in the report. Where delays
    /// add, so many each; their sum may have more.
    pub fn max_steps(mut self, steps: u32) -> Self {
        self.max_steps = Some(steps);
        self
    }

    /// Each projection has at most this many different delays, from 1 to 256: those points of the grid that
    /// change the rounded delays least, by the sum of squares. Where delays add, so many of each kind.
    pub fn delay_levels(mut self, levels: usize) -> Self {
        self.levels = Some(levels);
        self
    }

    /// Weights are integers of this many bits, from 2 to 16, times a scale. One bit is the sign, and the range
    /// is symmetric: four bits are -7 to 7. The scale makes the largest weight the largest integer.
    pub fn weight_bits(mut self, bits: u32) -> Self {
        self.bits = Some(bits);
        self
    }

    /// Takes the scale for the largest weight but this share in [0, 1) of those that are not zero, which may be
    /// clipped: the others are finer then. 0 without it.
    pub fn clip_weights(mut self, share: f64) -> Self {
        self.clip = share;
        self
    }

    /// How many of the most moved synapses a report lists per projection, of weights and of delays; 10 without
    /// it.
    pub fn list(mut self, synapses: usize) -> Self {
        self.listed = synapses;
        self
    }

    /// The network with rounded weights and delays, learned or not, and what that changed. Delays that were
    /// learned smoothly become projected ones. Ranges of weights are dropped: rounding may pass them by half a step.
    /// Constants of neurons stay.
    ///
    /// # Errors
    /// Options that have no meaning, values that are not finite, delays that are too long for the grid, or
    /// synapses of a type from outside of the crate.
    pub fn apply<F: Real>(
        &self,
        network: &SpikingNetwork<F>,
    ) -> Result<(SpikingNetwork<F>, QuantizationReport), QuantizeError> {
        let mut report = QuantizationReport::default();
        let mut rounded = network.clone();
        for ((exact, projection), synapses) in
            network.projections.iter().zip(&mut rounded.projections).zip(self.synapses(network)?)
        {
            let (synapses, clipped, scale) = self.round(&synapses);
            projection.synapses = Box::new(synapses);
            report.projections.push(report::compare(
                exact,
                projection,
                clipped,
                scale,
                self.listed,
            ));
        }
        rounded.update();
        Ok((rounded, report))
    }

    /// A network that acts as the rounded one while its parameters are exact: any optimiser trains it. Its
    /// gradients are those of the rounded network, and step the exact parameters, which are rounded anew after
    /// each step. [`Quantization::apply`] then makes the final network, which acts the same to the last bit.
    ///
    /// This is a heuristic, known as the straight-through estimator: rounding has no useful derivative, so it
    /// is taken to have the derivative 1. Small steps help: a parameter matters only when its rounded value
    /// changes. What is stored or exported of such a network is the rounded one, but checkpoints hold the
    /// exact parameters, with which training goes on.
    ///
    /// What is fixed is rounded once, so that a checkpoint of the one network may not fit the other. A network that already acts
    /// rounded goes on from what is rounded.
    ///
    /// # Errors
    /// As [`Quantization::apply`].
    ///
    /// ```
    /// # use eventprop::{Adam, CrossEntropy, Dense, FirstSpikeTime, Lif, Network, NetworkBuilder, Objective, Optimizer, Quantization, SpikeTrains};
    /// # use rand::{SeedableRng, rngs::ChaCha8Rng};
    /// # use rand_distr::Normal;
    /// # let mut net = NetworkBuilder::<f64>::new();
    /// # let input = net.input("input", 2);
    /// # let output = net.layer("output", Lif::new(2));
    /// # net.connect(input, output, Dense::weights(Normal::new(6.0, 0.5)?).delays(2.3));
    /// # let net = net.build(&mut ChaCha8Rng::seed_from_u64(1))?;
    /// # let spikes = SpikeTrains::from_channels([[1.0], [2.0]])?;
    /// # let objective = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(1.0));
    /// let quantization = Quantization::new().delay_step(0.5).weight_bits(5);
    /// let mut fine = quantization.straight_through(&net)?;
    /// let mut adam = Adam::new(0.005).delay_rate(0.05);
    /// for _ in 0..10 {
    ///     let trace = fine.forward(&spikes, 50.0)?;
    ///     let (_, gradients) = fine.backward(&trace, &objective, &0)?;
    ///     adam.step(&mut fine, &gradients)?;
    /// }
    /// let (coarse, _) = quantization.apply(&fine)?;
    /// assert_eq!(coarse.forward(&spikes, 50.0)?.spikes(0), fine.forward(&spikes, 50.0)?.spikes(0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn straight_through<F: Real>(
        &self,
        network: &SpikingNetwork<F>,
    ) -> Result<SpikingNetwork<F>, QuantizeError> {
        let mut acting = network.clone();
        for (projection, exact) in acting.projections.iter_mut().zip(self.synapses(network)?) {
            projection.synapses = Box::new(StraightThrough::new(*self, exact));
        }
        acting.update();
        Ok(acting)
    }

    /// The synapses of every projection, if all of them and the options are good.
    fn synapses<F: Real>(
        &self,
        network: &SpikingNetwork<F>,
    ) -> Result<Vec<Synapses<F>>, QuantizeError> {
        self.check()?;
        let mut all = Vec::with_capacity(network.projections.len());
        for projection in &network.projections {
            let name = || projection.name.clone();
            let foreign = || QuantizeError::Foreign { projection: name() };
            let synapses = projection.synapses.to_stored().ok_or_else(foreign)?;
            synapses
                .validate()
                .map_err(|cause| QuantizeError::Synapses { projection: name(), cause })?;
            if let (Some(step), None) = (self.step, self.max_steps) {
                let longest = synapses.longest_term().as_f64();
                if longest / step > f64::from(MOST_STEPS) {
                    let (projection, most) = (name(), MOST_STEPS);
                    return Err(QuantizeError::TooFine { projection, delay: longest, step, most });
                }
            }
            all.push(synapses);
        }
        Ok(all)
    }

    /// Rounded synapses, how many weights and delays were clipped, and the scale of the weights.
    fn round<F: Real>(&self, exact: &Synapses<F>) -> (Synapses<F>, (usize, usize), Option<f64>) {
        let ((mut weights, mut scale), mut delays) = ((0, None), 0);
        let rounded = exact.with_values(
            |values| (weights, scale) = self.round_weights(values),
            |values, max| delays += self.round_delays(values, max),
        );
        (rounded, (weights, delays), scale)
    }

    fn check(&self) -> Result<(), QuantizeError> {
        let check = |what, value: Option<f64>, good: fn(f64) -> bool, rule| match value {
            Some(value) if !(value.is_finite() && good(value)) => {
                Err(QuantizeError::Option { what, value, rule })
            }
            _ => Ok(()),
        };
        check("the step of delays", self.step, |x| x > 0.0, "finite and above 0 ms")?;
        let most = self.max_steps.map(f64::from);
        check("max_steps", most, |x| x <= f64::from(MOST_STEPS), "at most 65536")?;
        let levels = self.levels.map(|x| x as f64);
        check("delay_levels", levels, |x| (1.0..=256.0).contains(&x), "from 1 to 256")?;
        let bits = self.bits.map(f64::from);
        check("weight_bits", bits, |x| (2.0..=16.0).contains(&x), "from 2 to 16")?;
        let clip = Some(self.clip);
        check("the share of clipped weights", clip, |x| (0.0..1.0).contains(&x), "in [0, 1)")?;
        for (what, set) in
            [("max_steps", self.max_steps.is_some()), ("delay_levels", self.levels.is_some())]
        {
            if set && self.step.is_none() {
                return Err(QuantizeError::WithoutStep { what });
            }
        }
        Ok(())
    }
}
