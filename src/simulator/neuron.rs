//! What a stream keeps of a neuron beside its state.

use std::ops::Range;

/// How many spikes per ms a neuron may fire in the long run.
const SPIKES_PER_MS: f64 = 10.0;
/// A neuron is looked ahead by this many times its usual wait between arrivals: nearly always the next arrival comes
/// before, and a short look seldom needs a search for the crossing.
const LOOK: f64 = 8.0;
/// What the last wait counts for in the usual one.
const SHARE: f64 = 1.0 / 16.0;

#[derive(Debug, Clone)]
pub(super) struct Neuron {
    pub layer: usize,
    pub index: usize,
    /// Where its state is.
    pub state: Range<usize>,
    /// The time of the state.
    pub time: f64,
    /// When it has to be looked at next.
    pub due: f64,
    /// How far from `time` it is to be looked for a spike then, in ms.
    pub horizon: f64,
    /// Whether it fires when it is due; else it is looked further.
    pub fires: bool,
    last_arrival: f64,
    /// The usual wait between arrivals at different times: an exponential mean.
    gap: f64,
    last_spike: f64,
    /// How many spikes more it might have fired at `last_spike`.
    allowance: f64,
}

impl Neuron {
    /// A neuron that may fire `burst` times at once.
    pub fn new(layer: usize, index: usize, state: Range<usize>, burst: usize) -> Self {
        Self {
            layer,
            index,
            state,
            time: 0.0,
            due: 0.0,
            horizon: 1.0,
            fires: false,
            last_arrival: 0.0,
            gap: 1.0,
            last_spike: 0.0,
            allowance: burst as f64,
        }
    }

    pub fn note_arrival(&mut self) {
        if self.time > self.last_arrival {
            // One long wait shall not have many looks go too far.
            let wait = (self.time - self.last_arrival).min(LOOK * self.gap);
            self.gap += SHARE * (wait - self.gap);
            self.last_arrival = self.time;
        }
    }

    /// How far to look ahead after an event, in ms. It depends on nothing but the neuron's own past.
    pub fn first_look(&self) -> f64 {
        LOOK * self.gap
    }

    /// Whether one more spike is allowed; counts it.
    pub fn may_fire(&mut self, burst: usize) -> bool {
        let regained = SPIKES_PER_MS * (self.time - self.last_spike);
        let allowance = (self.allowance + regained).min(burst as f64);
        (self.allowance, self.last_spike) = (allowance - 1.0, self.time);
        allowance >= 1.0
    }
}
