//! Neurons whose modes do not fit a frame that all share: constants per neuron or close together, bias, own
//! spikes that raise the threshold, and rests after them.
//!
//! What arrives in a bucket is taken to the end of the bucket, with the constants of its target: one response per
//! arrival, instead of the product of two factors. In return the constants may be anything, equal ones included.

mod back;

use super::grid::loss_of;
use super::plan::{Pair, State};
use crate::Real;
use crate::layer::{ModeBank, decay_and_difference};
pub(super) use back::{Back, Sums};
use back::{integrals, lags};

/// The most currents of a neuron, that of an adaptation among them.
pub(super) const MOST_CURRENTS: usize = 8;

/// What a neuron has besides V and the currents.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beyond<F> {
    /// By how much the threshold is raised.
    pub raise: F,
    /// For how long V is still held.
    pub held: F,
}

impl<F: Real> Beyond<F> {
    pub fn none() -> Self {
        Self { raise: F::zero(), held: F::zero() }
    }
}

/// The constants of a neuron, on a grid.
#[derive(Debug)]
pub(super) struct Own<F> {
    pub rate_mem: F,
    pub rate_syn: [F; MOST_CURRENTS],
    width: F,
    currents: usize,
    /// See [`Back::earlier`], and [`integrals`].
    lags: [(F, F); MOST_CURRENTS],
    integrals: (F, F),
    /// The decay of V over a bucket and what the bias adds, and of each current its decay and the response of V.
    decay_mem: F,
    gain: F,
    decay: [F; MOST_CURRENTS],
    response: [F; MOST_CURRENTS],
    /// The decays less 1: see [`Step`](super::step::Step).
    loss_mem: F,
    loss: [F; MOST_CURRENTS],
    bias: F,
    threshold: F,
    decay_raise: F,
}

impl<F: Real> Own<F> {
    pub fn new(bank: &ModeBank<F>, width: f64) -> Self {
        let mut loss = [F::zero(); MOST_CURRENTS];
        loss.iter_mut().zip(bank.tau_syn()).for_each(|(loss, &tau)| *loss = loss_of(width, tau));
        let loss_mem = loss_of(width, bank.tau_mem());
        let width = F::of(width);
        let mut rate_syn = [F::zero(); MOST_CURRENTS];
        let mut decay = rate_syn;
        let mut response = rate_syn;
        rate_syn.iter_mut().zip(bank.tau_syn()).for_each(|(rate, tau)| *rate = tau.recip());
        let decay_mem = bank.propagator(width, |r, d, v| {
            decay[r] = d;
            response[r] = v;
        });
        let rate_mem = bank.rate_mem();
        let currents = bank.tau_syn().len();
        let mut all = [(F::zero(), F::zero()); MOST_CURRENTS];
        let each = all.iter_mut().zip(&rate_syn).take(currents);
        each.for_each(|(both, &rate)| *both = lags(rate_mem, rate, width));
        Self {
            rate_mem,
            rate_syn,
            width,
            currents,
            lags: all,
            integrals: integrals(rate_mem * width, width),
            decay_mem,
            gain: bank.bias_gain(width),
            decay,
            response,
            loss_mem,
            loss,
            bias: bank.bias,
            threshold: bank.threshold().unwrap_or(F::infinity()),
            decay_raise: bank.raise_decay(width),
        }
    }

    /// After a time: the decay of V and of a current, and the response of V to that.
    #[inline]
    pub fn after(&self, receptor: usize, dt: F) -> (F, F, F) {
        let (rate_mem, rate_syn) = (self.rate_mem, self.rate_syn[receptor]);
        let decay_mem = (-rate_mem * dt).exp();
        let (decay, difference) = decay_and_difference(rate_mem, rate_syn, dt, decay_mem);
        (decay_mem, decay, rate_mem * difference)
    }

    /// Whether a neuron may fire in a bucket or is released in it, or is no longer a number. `rise` is the sum of
    /// all that excites:
    ///
    /// ```text
    /// V' <= (drive - V) / tau_mem, with all that excites arriving at once
    /// ```
    ///
    /// and the threshold is no lower than at the end of the bucket.
    #[inline]
    pub fn may_fire<const R: usize>(
        &self,
        state: &State<F, R>,
        beyond: &Beyond<F>,
        rise: &[F; R],
    ) -> bool {
        if beyond.held > F::zero() {
            return beyond.held <= self.width || !state.is_finite();
        }
        let mut drive = self.bias.max(F::zero());
        for (current, rise) in state.syn.iter().zip(rise) {
            drive += current.max(F::zero()) + *rise;
        }
        let drive_sum = drive + self.bias.min(F::zero());
        let rate = self.rate_mem * self.width;
        let most = state.mem + (drive_sum - state.mem).max(F::zero()) * rate;
        // Rounding is relative to the parts, which may cancel.
        let parts = state.mem.abs() + (drive + self.bias.abs() + state.mem.abs()) * rate;
        let limit = self.threshold + beyond.raise * self.decay_raise;
        let rounding = F::of(32.0) * F::epsilon() * (parts + limit);
        // Also true if it is not a number.
        !(most + rounding < limit && state.is_finite())
    }

    /// Takes a state through a bucket without spikes in which V is not released, given what arrives, as of its
    /// end.
    #[inline]
    pub fn take<const R: usize>(
        &self,
        arrived: &Pair<F, R>,
        state: &mut State<F, R>,
        beyond: &mut Beyond<F>,
    ) {
        if beyond.held > F::zero() {
            beyond.held = (beyond.held - self.width).max(F::zero());
        } else {
            let mut change = state.mem * self.loss_mem + self.gain + arrived.mem;
            for (current, response) in state.syn.iter().zip(&self.response) {
                change += *current * *response;
            }
            state.mem += change;
        }
        for (r, current) in state.syn.iter_mut().enumerate() {
            *current += *current * self.loss[r] + arrived.syn[r];
        }
        beyond.raise *= self.decay_raise;
        if beyond.raise < F::min_positive_value() {
            beyond.raise = F::zero();
        }
    }

    /// Whether a neuron neither fires nor is released within a time in which nothing arrives: V never exceeds the drive unless
    /// it falls, and the drive is no more than what excites now.
    pub fn stays_below<const R: usize>(
        &self,
        bank: &ModeBank<F>,
        state: &State<F, R>,
        beyond: &Beyond<F>,
        dt: F,
    ) -> bool {
        if beyond.held > F::zero() {
            return beyond.held > dt && state.is_finite();
        }
        let excites: F = state.syn.iter().map(|current| current.max(F::zero())).sum();
        let limit = self.threshold + beyond.raise * bank.raise_decay(dt);
        let rounding = F::of(32.0) * F::epsilon() * (excites + self.bias.abs() + limit);
        // Also false if it is not a number.
        state.mem.max(excites + self.bias) + rounding < limit && state.is_finite()
    }
}

/// The constants of a population: of each neuron, or of all if they are alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owns<'a, F> {
    pub all: &'a [Own<F>],
    /// The neuron that is counted as the first.
    pub first: usize,
}

impl<'a, F> Owns<'a, F> {
    #[inline]
    pub fn of(&self, neuron: usize) -> &'a Own<F> {
        &self.all[if self.all.len() == 1 { 0 } else { self.first + neuron }]
    }
}
