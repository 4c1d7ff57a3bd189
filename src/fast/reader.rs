//! Reading the adjoint of a neuron in closed form.

use super::grid::{Afferent, Factors, gain};
use super::walk::State;
use crate::Real;
use crate::layer::ModeBank;

/// The freely decaying part of the adjoint at the start of a bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket<F, const R: usize> {
    /// That of V; NaN where a spike falls into the bucket.
    pub mem: F,
    /// That of I_r, less what V contributes to it.
    pub syn: [F; R],
}

/// A stretch between two spikes: its end, and the free part of the adjoint there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment<F, const R: usize> {
    pub end: f64,
    pub mem: F,
    pub syn: [F; R],
}

impl<F: Real, const R: usize> Segment<F, R> {
    /// From the free part of the adjoint at the end of the segment.
    pub fn new(bank: &ModeBank<F>, end: f64, free: &State<F>) -> Self {
        let mut syn = [F::zero(); R];
        for (r, s) in syn.iter_mut().enumerate().take(bank.tau_syn().len()) {
            *s = free[r + 1] + free[0] * gain(bank, r);
        }
        Self { end, mem: free[0], syn }
    }
}

/// Reads the adjoint of one neuron for arrivals at one receptor.
pub(super) struct Reader<'a, F: Real, const R: usize> {
    bank: &'a ModeBank<F>,
    segments: &'a [Segment<F, R>],
    receptor: usize,
    carry_mem: [F; 2],
    carry_syn: [F; 2],
    rate_mem: F,
    rate_syn: F,
    mixing: F,
    /// The rate of the integral in the loss, the particular solution of I at time 0, and that at the
    /// delay of a synapse.
    rate: F,
    scale: F,
    lagged: F,
}

impl<'a, F: Real, const R: usize> Reader<'a, F, R> {
    /// `rate` is that of the integral in the loss, and `particular` the particular solution at time 0.
    pub fn new(
        bank: &'a ModeBank<F>,
        segments: &'a [Segment<F, R>],
        afferent: &Afferent<'_, F>,
        rate: F,
        particular: &State<F>,
    ) -> Self {
        let receptor = afferent.projection.receptor;
        Self {
            bank,
            segments,
            receptor,
            carry_mem: afferent.carry_mem,
            carry_syn: afferent.carry_syn,
            mixing: -gain(bank, receptor),
            rate_mem: bank.tau_mem().recip(),
            rate_syn: bank.tau_syn()[receptor].recip(),
            rate,
            scale: particular[receptor + 1],
            lagged: F::zero(),
        }
    }

    /// Turns to a synapse with this delay.
    pub fn lag(&mut self, delay: F) {
        if self.scale != F::zero() {
            self.lagged = self.scale * (-self.rate * delay).exp();
        }
    }

    /// The two factors of a synapse, without and with carry.
    #[inline]
    pub fn carried(&self, synapse: &Factors<F>) -> [(F, F); 2] {
        let carried = |c: usize| (synapse.mem * self.carry_mem[c], synapse.syn * self.carry_syn[c]);
        [carried(0), carried(1)]
    }

    /// dL/dw and, for weight 1, dL/dt of an arrival at `time`; `discount` is exp(-rate t) of its spike.
    ///
    /// p_I is the sum of its exponential parts; with their rates that gives dL/dt.
    #[inline]
    pub fn read(
        &self,
        bucket: &Bucket<F, R>,
        &(by_mem, by_syn): &(F, F),
        spike: &Factors<F>,
        discount: Option<F>,
        time: impl FnOnce() -> f64,
    ) -> (F, F) {
        let mem = bucket.mem * by_mem * spike.mem;
        let (mem, syn) = if mem.is_nan() {
            self.beside_spike(time())
        } else {
            (mem, bucket.syn[self.receptor] * by_syn * spike.syn)
        };
        let (by_weight, by_time) = (mem + syn, self.rate_mem * mem + self.rate_syn * syn);
        match discount {
            None => (by_weight, by_time),
            Some(discount) => {
                let x = self.lagged * discount;
                (by_weight + x, by_time - self.rate * x)
            }
        }
    }

    /// The two exponentials of the free part of p_I at a time near a spike. A spike precedes an
    /// arrival of its time.
    #[cold]
    #[inline(never)]
    fn beside_spike(&self, time: f64) -> (F, F) {
        let after = self.segments.partition_point(|s| s.end > time).saturating_sub(1);
        let segment = &self.segments[after];
        let gap = F::of((segment.end - time).max(0.0));
        let mem = segment.mem * self.mixing * (-gap * self.rate_mem).exp();
        (mem, segment.syn[self.receptor] * (-gap / self.bank.tau_syn()[self.receptor]).exp())
    }
}
