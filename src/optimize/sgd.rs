//! Stochastic gradient descent with momentum.

use super::{
    OptimizeError, Optimizer, OptimizerState, ParameterGroup, Rates, check_constant,
    check_gradients, step_each,
};
use crate::{Gradients, Network, Real};

/// Gradient descent with momentum: v = momentum v + g, parameter -= rate v. A bound stops a parameter: v = 0.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use]
pub struct Sgd<F = f64> {
    /// The learning rates; free to change between steps.
    pub rates: Rates,
    momentum: f64,
    velocity: Vec<F>,
}

impl<F: Real> Sgd<F> {
    /// Plain gradient descent, with this learning rate for all parameters.
    pub fn new(rate: f64) -> Self {
        Self { rates: Rates::new(rate), momentum: 0.0, velocity: Vec::new() }
    }

    /// The learning rate of delays, in ms per unit of gradient.
    pub fn delay_rate(mut self, rate: f64) -> Self {
        self.rates.delays = rate;
        self
    }

    /// The learning rate of the constants of neurons: see
    /// [`ParameterKind`](crate::ParameterKind) for which are trained by their logarithm.
    pub fn constant_rate(mut self, rate: f64) -> Self {
        self.rates.constants = rate;
        self
    }

    /// The learning rate of a group of parameters, as a multiple of what it is without; 0 freezes it (remedies that raise
    /// weights still do; [`SynapseRecipe::fixed_weights`](crate::SynapseRecipe::fixed_weights) knows no exception). A group
    /// is a kind, the name of a projection or a layer, or both: see [`ParameterGroup`] and [`Rates`].
    ///
    /// ```
    /// use eventprop::{Sgd, ParameterKind};
    /// let optimizer: Sgd = Sgd::new(0.01)
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

    /// Every step also takes this share of a weight from it, times the learning rate, apart from the momentum. Delays and
    /// constants do not decay.
    pub fn weight_decay(mut self, decay: f64) -> Self {
        self.rates.weight_decay = decay;
        self
    }

    /// The share of the last step that is kept, in [0, 1).
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }
}

impl<F: Real> Optimizer<F> for Sgd<F> {
    fn step(
        &mut self,
        network: &mut dyn Network<F>,
        gradients: &Gradients<F>,
    ) -> Result<(), OptimizeError> {
        let layout = network.layout();
        self.rates.check(&layout)?;
        check_constant::<F>("momentum", self.momentum, |m| (0.0..1.0).contains(&m), "in [0, 1)")?;
        let momentum = F::of(self.momentum);
        let next = |velocity, g| momentum * velocity + g;
        check_gradients(&layout, &self.rates, gradients, &self.velocity, next)?;
        self.velocity.resize(gradients.values().len(), F::zero());
        let step = |[velocity]: [&mut F; 1], g| {
            *velocity = next(*velocity, g);
            *velocity
        };
        step_each(network, gradients, &self.rates, [&mut self.velocity[..]], step);
        Ok(())
    }

    fn state(&mut self) -> OptimizerState<'_, F> {
        let lists = vec![("velocity", &mut self.velocity)];
        OptimizerState { rates: Some(&mut self.rates), steps: None, lists }
    }
}
