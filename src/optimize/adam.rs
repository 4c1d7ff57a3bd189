//! Adam.

use super::{
    OptimizeError, Optimizer, OptimizerState, ParameterGroup, Rates, check_constant,
    check_gradients, step_each,
};
use crate::{Gradients, Network, Real};

/// Adam (Kingma and Ba 2015, Algorithm 1), with [`Rates`] for weights, delays and constants.
///
/// A bound stops a parameter: while the gradient pushes it further, the first moment is 0 and the second stays as
/// it was, so that the parameter leaves the bound as soon as the gradient turns.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use]
pub struct Adam<F = f64> {
    /// The learning rates; free to change between steps.
    pub rates: Rates,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    steps: u64,
    first: Vec<F>,
    second: Vec<F>,
}

impl<F: Real> Adam<F> {
    /// With this learning rate for all parameters, beta = (0.9, 0.999) and epsilon = 1e-8.
    pub fn new(rate: f64) -> Self {
        Self {
            rates: Rates::new(rate),
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            steps: 0,
            first: Vec::new(),
            second: Vec::new(),
        }
    }

    /// The learning rate of delays: about the greatest change in ms per step.
    pub fn delay_rate(mut self, rate: f64) -> Self {
        self.rates.delays = rate;
        self
    }

    /// The learning rate of the constants of neurons: about the greatest change per step, relative where the logarithm is trained.
    pub fn constant_rate(mut self, rate: f64) -> Self {
        self.rates.constants = rate;
        self
    }

    /// The learning rate of a group of parameters, as a multiple of what it is without; 0 freezes it (remedies that raise
    /// weights still do; [`SynapseRecipe::fixed_weights`](crate::SynapseRecipe::fixed_weights) knows no exception). A group
    /// is a kind, the name of a projection or a layer, or both: see [`ParameterGroup`] and [`Rates`].
    ///
    /// ```
    /// use eventprop::{Adam, ParameterKind};
    /// let optimizer: Adam = Adam::new(0.01)
    ///     .relative_rate("input->hidden", 0.0)
    ///     .relative_rate(("hidden->output", ParameterKind::Weight), 0.5)
    ///     .relative_rate(ParameterKind::Threshold, 0.1);
    /// assert_eq!(optimizer.rates.of("input->hidden", ParameterKind::Weight), 0.0);
    /// assert_eq!(optimizer.rates.of("hidden->output", ParameterKind::Weight), 0.005);
    /// ```
    pub fn relative_rate(mut self, group: impl Into<ParameterGroup>, factor: f64) -> Self {
        self.rates.set_relative(group, factor);
        self
    }

    /// The decay of the first and the second moment, in [0, 1).
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
        (self.beta1, self.beta2) = (beta1, beta2);
        self
    }

    /// Every step also takes this share of a weight from it, times the learning rate, apart from the moments (AdamW,
    /// Loshchilov and Hutter 2019). Delays and constants do not decay; for delays there is
    /// [`DelayPenalty`](crate::DelayPenalty).
    pub fn weight_decay(mut self, decay: f64) -> Self {
        self.rates.weight_decay = decay;
        self
    }

    /// What is added to the root of the second moment; above 0.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }
}

impl<F: Real> Optimizer<F> for Adam<F> {
    fn step(
        &mut self,
        network: &mut dyn Network<F>,
        gradients: &Gradients<F>,
    ) -> Result<(), OptimizeError> {
        let layout = network.layout();
        self.rates.check(&layout)?;
        for (what, beta) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            check_constant::<F>(what, beta, |b| (0.0..1.0).contains(&b), "in [0, 1)")?;
        }
        check_constant::<F>("epsilon", self.epsilon, |e| e > 0.0, "finite and above 0")?;
        if self.first.len() != self.second.len() {
            return Err(OptimizeError::State);
        }
        let [beta1, beta2, epsilon] = [self.beta1, self.beta2, self.epsilon].map(F::of);
        let one = F::one();
        let next_second = |second, g: F| beta2 * second + (one - beta2) * g * g;
        let steps = self.steps.saturating_add(1);
        let power = i32::try_from(steps).unwrap_or(i32::MAX);
        let (correct1, correct2) = (one - beta1.powi(power), one - beta2.powi(power));
        let next = |second, g| next_second(second, g) / correct2;
        check_gradients(&layout, &self.rates, gradients, &self.second, next)?;
        self.steps = steps;
        self.first.resize(gradients.values().len(), F::zero());
        self.second.resize(gradients.values().len(), F::zero());
        let step = |[first, second]: [&mut F; 2], g| {
            *first = beta1 * *first + (one - beta1) * g;
            *second = next_second(*second, g);
            (*first / correct1) / ((*second / correct2).sqrt() + epsilon)
        };
        let moments = [&mut self.first[..], &mut self.second[..]];
        step_each(network, gradients, &self.rates, moments, step);
        Ok(())
    }

    fn state(&mut self) -> OptimizerState<'_, F> {
        OptimizerState {
            rates: Some(&mut self.rates),
            steps: Some(&mut self.steps),
            lists: vec![("first_moment", &mut self.first), ("second_moment", &mut self.second)],
        }
    }
}
