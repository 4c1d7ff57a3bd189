//! What tests of engines draw their neurons from.

use eventprop::{Constant, LeakyIntegrator, Lif, Real};
use proptest::prelude::*;

/// The constants of a layer of linear neurons, and all that may be more to them than to LIF neurons that share
/// their constants.
#[derive(Debug, Clone)]
pub struct Neurons {
    pub tau_mem: f64,
    pub tau_syn: f64,
    pub reset: f64,
    /// If they differ from neuron to neuron, by this share.
    pub spread: Option<f64>,
    pub trainable: bool,
    pub bias: Option<f64>,
    /// Jump and time constant.
    pub adaptation: Option<(f64, f64)>,
    /// Jump and time constant.
    pub rising: Option<(f64, f64)>,
    pub refractory: Option<f64>,
}

impl Neurons {
    pub fn plain(tau_mem: f64, tau_syn: f64, reset: f64) -> Self {
        Self {
            tau_mem,
            tau_syn,
            reset,
            spread: None,
            trainable: false,
            bias: None,
            adaptation: None,
            rising: None,
            refractory: None,
        }
    }

    /// The same for a layer that they drive: with the bias of its sources, and no delays, it would be left to
    /// rounding who comes first.
    pub fn driven(&self) -> Self {
        Self { bias: self.bias.map(|bias| 0.97 * bias), ..self.clone() }
    }

    fn constant<F: Real>(&self, size: usize, value: f64) -> Constant<F> {
        let one = |k: usize| {
            let share = (k * 7 % 5) as f64 / 4.0 - 0.5;
            F::of(value * (1.0 + self.spread.unwrap_or(0.0) * share))
        };
        let constant = match self.spread {
            Some(_) => Constant::from((0..size).map(one).collect::<Vec<_>>()),
            None => Constant::from(one(0)),
        };
        // What is zero or without end cannot be trained.
        let trains = self.trainable && value.is_finite() && value != 0.0;
        if trains { Constant::trainable(constant) } else { constant }
    }

    pub fn lif<F: Real>(&self, size: usize) -> Lif<F> {
        let constant = |value| self.constant::<F>(size, value);
        let mut lif = Lif::new(size)
            .tau_mem(constant(self.tau_mem))
            .tau_syn(constant(self.tau_syn))
            .threshold(constant(1.0))
            .reset(constant(self.reset));
        if let Some(bias) = self.bias {
            lif = lif.bias(constant(bias));
        }
        if let Some((kick, tau)) = self.adaptation {
            lif = lif.adaptation(constant(kick), constant(tau));
        }
        if let Some((jump, tau)) = self.rising {
            lif = lif.adaptive_threshold(constant(jump), constant(tau));
        }
        match self.refractory {
            Some(time) => lif.refractory(constant(time)),
            None => lif,
        }
    }

    pub fn integrator<F: Real>(&self, size: usize) -> LeakyIntegrator<F> {
        let constant = |value| self.constant::<F>(size, value);
        let integrator = LeakyIntegrator::new(size)
            .tau_mem(constant(self.tau_mem))
            .tau_syn(constant(self.tau_syn));
        match self.bias {
            Some(bias) => integrator.bias(constant(bias)),
            None => integrator,
        }
    }
}

/// Neurons with this share of all that is more than LIF; time constants as they come.
pub fn neurons(
    taus: impl Strategy<Value = (f64, f64)>,
    reset: impl Strategy<Value = f64>,
) -> impl Strategy<Value = Neurons> {
    let maybe = |s: BoxedStrategy<f64>| prop::option::weighted(0.4, s);
    let pair =
        |a: BoxedStrategy<f64>, tau: std::ops::Range<f64>| prop::option::weighted(0.4, (a, tau));
    let beyond = (
        maybe((0.05..0.6f64).boxed()),
        maybe(prop_oneof![3 => -0.5..0.7f64, 1 => 1.2..1.6f64].boxed()),
        pair((-1.5..0.4f64).boxed(), 3.0..60.0),
        pair(prop_oneof![4 => 0.05..0.8f64, 1 => Just(0.0)].boxed(), 3.0..60.0),
        maybe(prop_oneof![4 => 0.3..9.0f64, 1 => Just(f64::INFINITY), 1 => Just(0.0)].boxed()),
        prop::bool::weighted(0.3),
    );
    (taus, reset, beyond).prop_map(|((tau_mem, tau_syn), reset, beyond)| {
        let (spread, bias, adaptation, rising, refractory, trainable) = beyond;
        Neurons { tau_mem, tau_syn, reset, spread, trainable, bias, adaptation, rising, refractory }
    })
}
