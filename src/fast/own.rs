//! Neurons whose modes do not fit a frame that all share: constants per neuron or close together, bias, own
//! spikes that raise the threshold, and rests after them.
//!
//! What arrives in a bucket is taken to the end of the bucket, with the constants of its target: one response per
//! arrival, instead of the product of two factors. In return the constants may be anything, equal ones included.

use super::grid::loss_of;
use super::plan::{Pair, State};
use crate::layer::{ModeBank, decay_and_difference, decreasing_difference};
use crate::{ParameterKind, Real};

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

    /// Takes such a neuron through that time.
    pub fn flow<const R: usize>(
        &self,
        bank: &ModeBank<F>,
        state: &mut State<F, R>,
        beyond: &mut Beyond<F>,
        dt: F,
    ) {
        let mut change = bank.bias_gain(dt);
        for r in 0..self.currents {
            let (_, decay, response) = self.after(r, dt);
            change += state.syn[r] * response;
            state.syn[r] *= decay;
        }
        if beyond.held > F::zero() {
            beyond.held -= dt;
        } else {
            state.mem = state.mem * (-self.rate_mem * dt).exp() + change;
        }
        beyond.raise *= bank.raise_decay(dt);
        if beyond.raise < F::min_positive_value() {
            beyond.raise = F::zero();
        }
    }

    /// Takes the adjoint back through a bucket without spikes and releases.
    #[inline]
    pub fn take_back<const R: usize, const K: usize>(
        &self,
        adjoint: &mut Back<F, R, K>,
        (raise, sums): (&mut F, &mut Sums<F, R>),
    ) {
        if K > 1 {
            sums.integrate(adjoint, self.integrals);
        }
        adjoint
            .pass(self.width, self.decay_mem, |r| (self.decay[r], self.response[r], self.lags[r]));
        *raise *= self.decay_raise;
    }

    /// The same over another time, but for the raise.
    pub fn flow_back<const R: usize, const K: usize>(
        &self,
        dt: F,
        adjoint: &mut Back<F, R, K>,
        sums: &mut Sums<F, R>,
    ) {
        if K > 1 {
            sums.integrate(adjoint, integrals(self.rate_mem * dt, dt));
        }
        let decay_mem = (-self.rate_mem * dt).exp();
        adjoint.pass(dt, decay_mem, |r| {
            if r >= self.currents {
                return (F::zero(), F::zero(), (F::zero(), F::zero()));
            }
            let (_, decay, response) = self.after(r, dt);
            let lags = if K > 1 { self.lags_after(r, dt) } else { (F::zero(), F::zero()) };
            (decay, response, lags)
        });
    }

    /// What [`Back::earlier`] asks for.
    pub fn lags_after(&self, receptor: usize, dt: F) -> (F, F) {
        lags(self.rate_mem, self.rate_syn[receptor], dt)
    }
}

/// The adjoint of a neuron, and if `K` is 3 what its constants need.
///
/// dL/d tau_mem is -int p_V (drive - V) dt / tau_mem^2 and dL/d tau_r is int p_r I_r dt / tau_r^2. Both
/// integrals are linear in V and the currents, so a unit that arrives adds to them what can be told on the way
/// back: for the first one W if it arrives in V and X_r in a current, for the second Q_r:
///
/// ```text
/// -W' = -W / tau_mem - p_V      -X_r' = -X_r / tau_r + W / tau_mem + p_V      -Q_r' = -Q_r / tau_r + p_r
/// ```
#[derive(Debug, Clone, Copy)]
pub(super) struct Back<F, const R: usize, const K: usize>(
    /// p; W and all X_r; and all Q_r.
    pub [Pair<F, R>; K],
);

impl<F: Real, const R: usize, const K: usize> Back<F, R, K> {
    pub fn zero() -> Self {
        Self([Pair::zero(); K])
    }

    /// p_V and p_r.
    #[inline]
    pub fn p(&self) -> &Pair<F, R> {
        &self.0[0]
    }

    /// Of a current p_r, X_r and Q_r a time earlier, given its decay, the response of V, and the same two with a
    /// lag.
    #[inline]
    pub fn earlier(&self, r: usize, dt: F, (decay, response, lags): (F, F, (F, F))) -> (F, F, F) {
        let (p_v, p_r) = (self.0[0].mem, self.0[0].syn[r]);
        let p = p_r * decay + p_v * response;
        if K == 1 {
            return (p, F::zero(), F::zero());
        }
        let x = self.0[1].syn[r] * decay + self.0[1].mem * response + p_v * lags.0;
        let late = self.0[2].syn[r] + dt * p_r;
        (p, x, late * decay + p_v * lags.1)
    }

    /// Back over a time, given the decay of V and what [`Back::earlier`] asks for of each current.
    #[inline]
    fn pass(&mut self, dt: F, decay_mem: F, of: impl Fn(usize) -> (F, F, (F, F))) {
        for r in 0..R {
            let (p, x, q) = self.earlier(r, dt, of(r));
            self.0[0].syn[r] = p;
            if K > 1 {
                (self.0[1].syn[r], self.0[2].syn[r]) = (x, q);
            }
        }
        let p_v = self.0[0].mem;
        if K > 1 {
            self.0[1].mem = (self.0[1].mem - dt * p_v) * decay_mem;
        }
        self.0[0].mem = p_v * decay_mem;
    }
}

/// What X_r and Q_r gain from a p_V of 1 within a time.
fn lags<F: Real>(rate_mem: F, rate_syn: F, dt: F) -> (F, F) {
    let (x, y) = (rate_mem * dt, rate_syn * dt);
    let first = decreasing_difference([x, y]) - x * decreasing_difference([x, x, y]);
    (dt * first, x * dt * decreasing_difference([x, y, y]))
}

/// The integrals of exp(-t / tau_mem) and of t exp(-t / tau_mem).
fn integrals<F: Real>(x: F, dt: F) -> (F, F) {
    let zero = F::zero();
    (dt * decreasing_difference([zero, x]), dt * dt * decreasing_difference([zero, x, x]))
}

/// The integrals that gradients by constants of a neuron consist of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sums<F, const R: usize> {
    /// Of p_V (drive - V) without the bias, and of each p_r I_r.
    pub parts: Pair<F, R>,
    /// Of p_V and W where V is free.
    pub free: (F, F),
}

impl<F: Real, const R: usize> Sums<F, R> {
    pub fn zero() -> Self {
        Self { parts: Pair::zero(), free: (F::zero(), F::zero()) }
    }

    fn integrate<const K: usize>(&mut self, end: &Back<F, R, K>, (first, second): (F, F)) {
        let (p_v, w) = (end.0[0].mem, end.0[1].mem);
        self.free.0 += p_v * first;
        self.free.1 += w * first - p_v * second;
    }

    /// dL/d of a constant, but for what spikes add.
    pub fn by(&self, bank: &ModeBank<F>, constant: (ParameterKind, usize)) -> F {
        let a = bank.rate_mem();
        match constant.0 {
            ParameterKind::Bias => a * self.free.0,
            ParameterKind::TauMem => {
                -a * a * (self.parts.mem + bank.bias * (self.free.0 + a * self.free.1))
            }
            _ => bank.current(constant.0, constant.1).map_or(F::zero(), |r| {
                let tau = bank.tau_syn()[r];
                self.parts.syn[r] / (tau * tau)
            }),
        }
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
