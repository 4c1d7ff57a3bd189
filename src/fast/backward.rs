//! The backward pass of a layer by segments.
//!
//! Between two spikes of a neuron its adjoint is a handful of exponentials. So an arrival is read in
//! closed form at its time, with the factors of the forward pass, and no list of events is needed.
//!
//! A loss that reads int V exp(-q t) dt adds a particular solution X exp(-q t) to the adjoint; what is
//! left decays freely.

use super::grid::{Afferent, Grid, SynapseFactors};
use crate::Real;
use crate::layer::ModeBank;

/// The freely decaying part of the adjoint at the start of a bucket.
#[derive(Debug, Clone, Copy)]
struct Bucket<F, const R: usize> {
    /// That of V; NaN where a spike falls into the bucket.
    mem: F,
    /// That of I_r, less what V contributes to it.
    syn: [F; R],
}

/// A stretch between two spikes: its end, and the free part of the adjoint there.
#[derive(Debug, Clone, Copy)]
struct Segment<F, const R: usize> {
    end: f64,
    mem: F,
    syn: [F; R],
}

/// The spikes of one neuron, and what the loss makes of them.
pub(super) struct Own<'a, F> {
    pub times: &'a [f64],
    pub slopes: &'a [F],
    pub gradients: &'a [F],
}

/// How the loss depends on the potential: through int_0^T V exp(-rate t) dt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Integral<F> {
    pub rate: F,
    pub gradient: F,
}

/// Where gradients go, one list per projection of the network.
pub(super) struct Sink<'a, F> {
    pub weights: &'a mut [F],
    pub delays: &'a mut [F],
    /// dL/dt of the source's spikes, if wanted.
    pub times: Option<&'a mut [F]>,
}

pub(super) struct LayerReads<'a, F: Real, const R: usize> {
    pub bank: &'a ModeBank<F>,
    pub grid: Grid,
    pub duration: f64,
    pub afferents: &'a [Afferent<'a, F>],
    /// exp(-rate t) of every afferent spike, if the loss integrates potentials.
    pub discounts: &'a [Vec<F>],
    buckets: Vec<Bucket<F, R>>,
    segments: Vec<Segment<F, R>>,
    synapses: Vec<SynapseFactors<F>>,
    /// dL/dw and dL/dt of the arrivals at each synapse, the latter for weight 1.
    sums: Vec<(F, F)>,
}

impl<'a, F: Real, const R: usize> LayerReads<'a, F, R> {
    pub fn new(
        bank: &'a ModeBank<F>,
        grid: Grid,
        duration: f64,
        afferents: &'a [Afferent<'a, F>],
        discounts: &'a [Vec<F>],
    ) -> Self {
        let empty = Bucket { mem: F::zero(), syn: [F::zero(); R] };
        let buckets = vec![empty; grid.buckets];
        Self {
            bank,
            grid,
            duration,
            afferents,
            discounts,
            buckets,
            segments: Vec::new(),
            synapses: Vec::new(),
            sums: Vec::new(),
        }
    }

    /// alpha / (beta_r - alpha).
    fn mixing(&self, receptor: usize) -> F {
        let tau = self.bank.tau_syn()[receptor];
        tau / (self.bank.tau_mem() - tau)
    }

    /// Takes the adjoint of a neuron back over its trial.
    pub fn sweep(&mut self, own: &Own<'_, F>, integral: Option<Integral<F>>) {
        let rate_mem = self.bank.tau_mem().recip();
        // (X_V, X_I) of the particular solution at time t.
        let mut particular = vec![F::zero(); R + 1];
        let rate = integral.map_or(F::zero(), |i| i.rate);
        let gradient = integral.map_or(F::zero(), |i| i.gradient);
        let drop =
            self.bank.threshold().map_or(F::zero(), |threshold| threshold - self.bank.reset());
        if let Some(Integral { rate, gradient }) = integral {
            particular[0] = gradient / (rate_mem + rate);
            for (x, tau) in particular[1..].iter_mut().zip(self.bank.tau_syn()) {
                *x = gradient / (rate_mem + rate) * rate_mem / (tau.recip() + rate);
            }
        }
        let at = |time: f64| (-rate * F::of(time)).exp();
        let end = at(self.duration);
        let mut free: Vec<F> = particular.iter().map(|&x| -x * end).collect();
        self.segments.clear();
        let mut to = self.duration;
        for k in (0..own.times.len()).rev() {
            self.push_segment(to, &free);
            let time = own.times[k];
            self.bank.flow_back(F::of(to - time), &mut free);
            let discount = at(time);
            let jump = free[0] + particular[0] * discount;
            let mut total = [jump];
            // The integral also depends on the spike's time by itself: until then V is not reset.
            let by_time = own.gradients[k] + gradient * discount * drop;
            self.bank.fire_back(own.slopes[k], by_time, &mut total);
            free[0] += total[0] - jump;
            to = time;
        }
        self.push_segment(to, &free);
        self.segments.reverse();
        self.tabulate(own.times);
    }

    fn push_segment(&mut self, end: f64, free: &[F]) {
        let mut syn = [F::zero(); R];
        for (r, s) in syn.iter_mut().enumerate() {
            *s = free[r + 1] - free[0] * self.mixing(r);
        }
        self.segments.push(Segment { end, mem: free[0], syn });
    }

    /// The free part at the start of every bucket.
    fn tabulate(&mut self, spikes: &[f64]) {
        let Self { bank, grid, .. } = self;
        let last = grid.buckets - 1;
        let bucket_of = |time: f64| (grid.split(time).0 as usize).min(last);
        let decays = |dt: f64| {
            let mut decay = [F::zero(); R];
            for (d, tau) in decay.iter_mut().zip(bank.tau_syn()) {
                *d = (-F::of(dt) / *tau).exp();
            }
            ((-F::of(dt) / bank.tau_mem()).exp(), decay)
        };
        let (decay_mem, decay) = decays(grid.width);
        let mut start = 0.0;
        for segment in &self.segments {
            let top = bucket_of(segment.end);
            let (to_start_mem, to_start) = decays(segment.end - grid.start(top));
            let mut mem = segment.mem * to_start_mem;
            let mut syn = segment.syn;
            syn.iter_mut().zip(&to_start).for_each(|(s, d)| *s *= *d);
            for bucket in self.buckets[bucket_of(start)..=top].iter_mut().rev() {
                *bucket = Bucket { mem, syn };
                mem *= decay_mem;
                syn.iter_mut().zip(&decay).for_each(|(s, d)| *s *= *d);
            }
            start = segment.end;
        }
        // Where a spike falls, the side of it decides. So it does next to a boundary, which rounding
        // may have moved an arrival across.
        let near = 1e-6 * grid.width;
        for &spike in spikes {
            let (_, offset) = grid.split(spike);
            let bucket = bucket_of(spike);
            let first = bucket.saturating_sub(usize::from(offset < near));
            let end = bucket + usize::from(offset > grid.width - near);
            self.buckets[first..=end.min(last)].iter_mut().for_each(|b| b.mem = F::nan());
        }
    }

    /// Reads the adjoint at every arrival from one afferent.
    pub fn read(
        &mut self,
        neuron: usize,
        which: usize,
        own: &[f64],
        integral: Option<Integral<F>>,
        sink: &mut Sink<'_, F>,
    ) {
        let afferent = &self.afferents[which];
        let receptor = afferent.projection.receptor;
        let row = afferent.projection.synapses.row(neuron);
        let (rate_mem, rate_syn) =
            (self.bank.tau_mem().recip(), self.bank.tau_syn()[receptor].recip());
        let mixing = self.mixing(receptor);
        afferent.synapses(neuron, self.grid, |_| mixing, |_| F::one(), &mut self.synapses);
        self.sums.clear();
        self.sums.resize(row.weights.len(), (F::zero(), F::zero()));
        let width = self.grid.width;
        for (k, spike) in afferent.spikes.iter().enumerate() {
            let pre = spike.pre as usize;
            let synapse = &self.synapses[pre];
            let carry = usize::from(spike.offset + synapse.offset >= width);
            let at = spike.bucket as usize + synapse.bucket as usize + carry;
            let Some(bucket) = self.buckets.get(at) else { continue };
            let mut mem = bucket.mem * synapse.mem * spike.mem * afferent.carry_mem[carry];
            let mut syn =
                bucket.syn[receptor] * synapse.syn * spike.syn * afferent.carry_syn[carry];
            if mem.is_nan() {
                let time = afferent.times[k] + row.delays[pre].as_f64();
                (mem, syn) = self.beside_spike(time, own, receptor);
            }
            // p_I is the sum of the two; with their rates it gives dL/dt.
            let mut by_weight = mem + syn;
            let mut by_time = rate_mem * mem + rate_syn * syn;
            if let Some(Integral { rate, gradient }) = integral {
                let scale = gradient * rate_mem / ((rate_mem + rate) * (rate_syn + rate));
                let x = scale * self.discounts[which][k] * (-rate * row.delays[pre]).exp();
                by_weight += x;
                by_time -= rate * x;
            }
            let sums = &mut self.sums[pre];
            sums.0 += by_weight;
            sums.1 += by_time;
            if let Some(times) = sink.times.as_deref_mut() {
                times[afferent.places[k] as usize] += row.weights[pre] * by_time;
            }
        }
        for (k, &(by_weight, by_time)) in self.sums.iter().enumerate() {
            sink.weights[row.first + k] += by_weight;
            sink.delays[row.first + k] += row.weights[k] * by_time;
        }
    }

    /// The two exponentials of p_I at a time near a spike. A spike precedes an arrival of its time.
    fn beside_spike(&self, time: f64, spikes: &[f64], receptor: usize) -> (F, F) {
        let segment = &self.segments[spikes.partition_point(|&s| s <= time)];
        let gap = F::of((segment.end - time).max(0.0));
        let mem = segment.mem * self.mixing(receptor) * (-gap / self.bank.tau_mem()).exp();
        (mem, segment.syn[receptor] * (-gap / self.bank.tau_syn()[receptor]).exp())
    }
}
