//! Event by event through one bucket.

use super::own::Beyond;
use super::plan::Pair;
use crate::Real;
use crate::layer::ModeBank;
use crate::trace::Fired;

/// The greatest number of receptors that this engine handles.
pub(super) const MOST_RECEPTORS: usize = 3;

/// An arrival in a bucket that is stepped through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival<F> {
    pub time: f64,
    /// 0 for known spikes, else 1 + the rank in the group. Ties act in this order, and then in
    /// that of projection and synapse or branch, as in the plain engine.
    pub rank: u32,
    pub afferent: u32,
    pub branch: u32,
    pub receptor: u32,
    pub weight: F,
}

impl<F> Arrival<F> {
    pub fn key(&self) -> (u64, u32, u32, u32) {
        // Adding zero turns -0.0, whose bits do not sort, into 0.0.
        ((self.time + 0.0).to_bits(), self.rank, self.afferent, self.branch)
    }
}

/// A neuron on its way through a bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk<F, const N: usize> {
    /// [V, I_0, I_1, ...] and what else the neuron has; unused places stay 0.
    state: [F; N],
    pub time: f64,
    /// How many arrivals of the bucket it has received.
    pub next: usize,
    /// Time and rank of its last spike.
    pub last_spike: Option<(f64, u32)>,
    last_arrival: f64,
    pub ties: usize,
    /// V' when V was released after the last spike, if that has been passed.
    pub release: Option<F>,
}

impl<F: Real, const N: usize> Walk<F, N> {
    /// From `start` on. No spike precedes the last one.
    pub fn new<const R: usize>(
        bank: &ModeBank<F>,
        (from, beyond): (&Pair<F, R>, &Beyond<F>),
        start: f64,
        last_spike: Option<(f64, u32)>,
    ) -> Self {
        let mut state = [F::zero(); N];
        state[0] = from.mem;
        state[1..].iter_mut().zip(&from.syn).for_each(|(s, i)| *s = *i);
        if let Some(at) = bank.raise_place() {
            state[at] = beyond.raise;
        }
        if let Some(at) = bank.hold_at() {
            state[at] = beyond.held;
        }
        let time = last_spike.map_or(start, |(last, _)| start.max(last));
        Self { state, time, next: 0, last_spike, last_arrival: -1.0, ties: 0, release: None }
    }

    /// V and the currents.
    pub fn state<const R: usize>(&self, bank: &ModeBank<F>) -> Pair<F, R> {
        let mut state = Pair::zero();
        state.mem = self.state[0];
        let currents = &self.state[1..=bank.tau_syn().len()];
        state.syn.iter_mut().zip(currents).for_each(|(i, s)| *i = *s);
        state
    }

    /// What else the neuron has.
    pub fn beyond(&self, bank: &ModeBank<F>) -> Beyond<F> {
        let number = |at: Option<usize>| at.map_or(F::zero(), |at| self.state[at]);
        Beyond { raise: number(bank.raise_place()), held: number(bank.hold_at()) }
    }

    /// Goes on to just before the next spike, or to the end of the bucket; whether there is a spike.
    /// Spikes at `duration` or later do not happen.
    pub fn on(
        &mut self,
        bank: &ModeBank<F>,
        arrivals: &[Arrival<F>],
        end: f64,
        duration: f64,
    ) -> bool {
        loop {
            let arrival = arrivals.get(self.next);
            let until = arrival.map_or(end, |a| a.time).max(self.time);
            let (dt, state) = (F::of(until - self.time), &mut self.state[..bank.state_len()]);
            if bank.flow_below(dt, state) {
                self.time = until;
            } else {
                let wait = bank.next_spike(state, dt);
                let at = wait.map(|wait| (self.time + wait.as_f64()).min(until));
                if let Some(at) = at.filter(|&at| at < duration) {
                    self.flow_to(bank, at);
                    return true;
                }
                self.flow_to(bank, until);
            }
            match arrival {
                Some(arrival) => self.take(arrival),
                None => return false,
            }
        }
    }

    /// Receives the arrivals that `certain` tells; there is no spike before the last of them.
    pub fn settle(
        &mut self,
        bank: &ModeBank<F>,
        arrivals: &[Arrival<F>],
        certain: impl Fn(f64) -> bool,
    ) {
        while let Some(arrival) = arrivals.get(self.next).filter(|a| certain(a.time)) {
            self.flow_to(bank, arrival.time.max(self.time));
            self.take(arrival);
        }
    }

    /// Receives an arrival of the present time.
    fn take(&mut self, arrival: &Arrival<F>) {
        let unrelated = |(time, rank): (f64, u32)| {
            time == arrival.time && (arrival.rank == 0 || arrival.rank != rank + 1)
        };
        self.ties += usize::from(self.last_spike.is_some_and(unrelated));
        self.last_arrival = arrival.time;
        self.state[arrival.receptor as usize + 1] += arrival.weight;
        self.next += 1;
    }

    /// Goes on to a time before which nothing happens but that V may be released.
    pub fn flow_to(&mut self, bank: &ModeBank<F>, time: f64) {
        if let (Some(at), Some(rest), Some((last, _))) =
            (bank.hold_at(), bank.rest(), self.last_spike)
        {
            // Counted down from event to event it would be off by rounding, and an arrival at the release on its wrong side.
            if self.state[at] > F::zero() && rest.is_finite() {
                self.state[at] = F::of((last + rest.as_f64() - self.time).max(0.0));
            }
        }
        let (dt, state) = (F::of(time - self.time), &mut self.state[..bank.state_len()]);
        self.release = bank.release(dt, state).or(self.release);
        bank.flow(dt, state);
        self.time = time;
    }

    /// Notes the release of V with the spike that it follows.
    pub fn tell_release(&mut self, fired: &mut [Fired<F>]) {
        if let (Some(release), Some((_, rank))) = (self.release.take(), self.last_spike) {
            fired[rank as usize].release = release;
        }
    }

    /// Fires; how fast V neared the threshold.
    pub fn fire(&mut self, bank: &ModeBank<F>, rank: u32) -> F {
        let state = &mut self.state[..bank.state_len()];
        let slope = bank.approach(state);
        bank.fire(state);
        self.ties += usize::from(self.last_arrival == self.time);
        self.last_spike = Some((self.time, rank));
        slope
    }
}
