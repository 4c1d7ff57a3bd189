//! A neuron that the crate does not have: the quadratic integrate-and-fire neuron as an oscillator.
//!
//! tau V' = V^2 + 1, and an arrival adds its weight to V. V runs to infinity in finite time; that is the
//! spike, and V goes on from minus infinity. With V = tan(phase) this has a closed form: the phase grows
//! by 1/tau per ms, fires at pi/2 and falls by pi. It is not linear, since an arrival moves
//! the phase by less the nearer the spike is; and its slope at a spike is never small, so that gradients
//! do not explode (Klos and Memmesheimer 2025).
//!
//!     cargo run --example custom_neuron

use eventprop::check::{CheckReport, GradientCheck};
use eventprop::{
    Adjoint, ArrivalGradient, Bounds, CrossEntropy, Dense, Layer, LayerError, LeakyIntegrator,
    MeanVoltage, NetworkBuilder, Objective, Parameter, ParameterKind, ParameterMut, SpikeTrains,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};
use std::f64::consts::{FRAC_PI_2, PI};

/// The name of the parameter.
const TAU: ParameterKind = ParameterKind::Custom("ln_tau");

/// A population of them, with one trainable time constant, whose logarithm is the parameter.
#[derive(Debug, Clone)]
pub struct Quadratic {
    size: usize,
    ln_tau: [f64; 1],
}

impl Quadratic {
    /// `size` neurons with this time constant in ms.
    pub fn new(size: usize, tau: f64) -> Self {
        Self { size, ln_tau: [tau.ln()] }
    }

    fn rate(&self) -> f64 {
        (-self.ln_tau[0]).exp()
    }
}

/// (1 + (V + w)^2) cos^2(phase): how much less the phase varies after an arrival of weight w than before.
fn stiffness(phase: f64, weight: f64) -> f64 {
    let (sin, cos) = phase.sin_cos();
    cos * cos + (sin + weight * cos).powi(2)
}

impl Layer<f64> for Quadratic {
    fn size(&self) -> usize {
        self.size
    }
    fn state_len(&self) -> usize {
        1
    }
    fn validate(&self) -> Result<(), LayerError> {
        let tau = self.ln_tau[0].exp();
        match (self.size, tau.is_finite() && tau > 0.0) {
            (0, _) => Err(LayerError::Empty),
            (_, false) => Err(LayerError::NotPositive { constant: "tau", value: tau }),
            _ => Ok(()),
        }
    }
    /// They fire on their own.
    fn is_driven(&self) -> bool {
        true
    }
    fn flow(&self, _: usize, dt: f64, state: &mut [f64]) {
        state[0] += dt * self.rate();
    }
    fn next_spike(&self, _: usize, state: &[f64], horizon: f64) -> Option<f64> {
        let wait = ((FRAC_PI_2 - state[0]) / self.rate()).max(0.0);
        (wait <= horizon).then_some(wait)
    }
    fn receive(&self, _: usize, _: usize, weight: f64, state: &mut [f64]) {
        let (sin, cos) = state[0].sin_cos();
        state[0] = (sin + weight * cos).atan2(cos);
    }
    fn fire(&self, _: usize, state: &mut [f64]) {
        state[0] -= PI;
    }
    /// Read-outs see the phase.
    fn potential(&self, _: usize, state: &[f64]) -> f64 {
        state[0]
    }
    fn slope(&self, _: usize, _: &[f64]) -> f64 {
        self.rate()
    }
    fn flow_back(&self, _: usize, dt: f64, _: &[f64], adjoint: &mut Adjoint<'_, f64>) {
        // By the logarithm of tau; the phase passes its own adjoint on.
        adjoint.parameters[0] -= adjoint.state[0] * dt * self.rate();
    }
    fn receive_back(
        &self,
        _: usize,
        _: usize,
        weight: f64,
        state: &[f64],
        adjoint: &mut Adjoint<'_, f64>,
    ) -> ArrivalGradient<f64> {
        let (after, stiffness) = (adjoint.state[0], stiffness(state[0], weight));
        adjoint.state[0] = after / stiffness;
        // A later arrival lets the phase run on before it, and takes as much from it after.
        let time = (after / stiffness - after) * self.rate();
        ArrivalGradient { weight: after * state[0].cos().powi(2) / stiffness, time }
    }
    fn fire_back(
        &self,
        _: usize,
        _: &[f64],
        slope: f64,
        time_gradient: f64,
        adjoint: &mut Adjoint<'_, f64>,
    ) {
        // The phase runs as fast after the spike as before: the jump contributes nothing.
        adjoint.state[0] -= time_gradient / slope;
    }
    fn potential_back(&self, _: usize, _: &[f64], gradient: f64, adjoint: &mut Adjoint<'_, f64>) {
        adjoint.state[0] += gradient;
    }
    fn parameters(&self) -> Vec<Parameter<'_, f64>> {
        let (kind, bounds) = (TAU, Bounds::none());
        vec![Parameter { kind, values: &self.ln_tau, bounds }]
    }
    fn parameters_mut(&mut self) -> Vec<ParameterMut<'_, f64>> {
        let (kind, bounds) = (TAU, Bounds::none());
        vec![ParameterMut { kind, values: &mut self.ln_tau, bounds }]
    }
}

/// Checks all gradients of a recurrent network of them.
pub fn check() -> Result<CheckReport, Box<dyn std::error::Error>> {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 2);
    let hidden = net.layer("quadratic", Quadratic::new(4, 6.0));
    let output = net.layer("output", LeakyIntegrator::new(2));
    let delays = Uniform::new(0.5, 9.0)?;
    net.connect(input, hidden, Dense::weights(Normal::new(0.5, 0.8)?).delays(delays));
    net.connect(hidden, hidden, Dense::weights(Normal::new(0.0, 0.5)?).delays(delays));
    net.connect(hidden, output, Dense::weights(Normal::new(0.0, 1.0)?).delays(1.0));
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(1))?;
    let input = SpikeTrains::from_channels([[1.0, 8.0, 23.0], [2.0, 12.5, 14.0]])?;
    let objective = Objective::new(MeanVoltage, CrossEntropy::new().temperature(0.1));
    Ok(GradientCheck::new().run(&net, &input, 60.0, &objective, &1)?)
}

#[allow(dead_code)] // A test includes this file.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", check()?);
    Ok(())
}
