//! Where the events of samples are kept.

use super::DataError;
use std::fmt;

/// Events that are read per sample, from a file or from other sets.
pub(crate) trait Source: fmt::Debug + Send + Sync {
    /// Adds the (time in ms, channel) events of a sample to `into`, checked, in the order in which they are stored.
    fn read(&self, sample: usize, into: &mut Vec<(f64, u32)>) -> Result<(), DataError>;
}

/// Times in ms: 4 bytes each where that loses nothing in any of them.
#[derive(Debug)]
enum Times {
    Short(Vec<f32>),
    Long(Vec<f64>),
}

#[derive(Debug)]
enum Channels {
    Short(Vec<u16>),
    Long(Vec<u32>),
}

/// Events in memory: those of sample i are `ends[i - 1]..ends[i]`.
#[derive(Debug)]
pub(crate) struct Memory {
    ends: Vec<usize>,
    times: Times,
    channels: Channels,
}

impl Memory {
    /// No samples yet, of so many channels.
    pub fn new(channels: usize) -> Self {
        let short = channels <= 1 << 16;
        Self {
            ends: Vec::new(),
            times: Times::Short(Vec::new()),
            channels: if short { Channels::Short(Vec::new()) } else { Channels::Long(Vec::new()) },
        }
    }

    /// Adds a sample. Its events are kept in the order of time, ties in the order of channels; equal
    /// events are all kept. Channels must be below the number that was given.
    pub fn push(&mut self, events: &mut [(f64, u32)]) {
        // Equal keys are equal events up to the sign of a zero, so this order is well defined.
        events.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        if let Times::Short(times) = &self.times {
            if events.iter().any(|&(t, _)| f64::from(t as f32) != t) {
                self.times = Times::Long(times.iter().copied().map(f64::from).collect());
            }
        }
        match &mut self.times {
            Times::Short(times) => times.extend(events.iter().map(|&(t, _)| t as f32)),
            Times::Long(times) => times.extend(events.iter().map(|&(t, _)| t)),
        }
        match &mut self.channels {
            Channels::Short(channels) => channels.extend(events.iter().map(|&(_, c)| c as u16)),
            Channels::Long(channels) => channels.extend(events.iter().map(|&(_, c)| c)),
        }
        self.ends.push(self.ends.last().copied().unwrap_or(0) + events.len());
    }

    /// Gives back what was reserved beyond need.
    pub fn shrink(&mut self) {
        self.ends.shrink_to_fit();
        match &mut self.times {
            Times::Short(times) => times.shrink_to_fit(),
            Times::Long(times) => times.shrink_to_fit(),
        }
        match &mut self.channels {
            Channels::Short(channels) => channels.shrink_to_fit(),
            Channels::Long(channels) => channels.shrink_to_fit(),
        }
    }

    /// What the events take, in bytes.
    pub fn bytes(&self) -> usize {
        let (times, channels) = match (&self.times, &self.channels) {
            (Times::Short(t), Channels::Short(c)) => (4 * t.len(), 2 * c.len()),
            (Times::Short(t), Channels::Long(c)) => (4 * t.len(), 4 * c.len()),
            (Times::Long(t), Channels::Short(c)) => (8 * t.len(), 2 * c.len()),
            (Times::Long(t), Channels::Long(c)) => (8 * t.len(), 4 * c.len()),
        };
        times + channels
    }
}

impl Source for Memory {
    fn read(&self, sample: usize, into: &mut Vec<(f64, u32)>) -> Result<(), DataError> {
        let start = if sample == 0 { 0 } else { self.ends[sample - 1] };
        let range = start..self.ends[sample];
        into.reserve(range.len());
        for i in range {
            let time = match &self.times {
                Times::Short(times) => f64::from(times[i]),
                Times::Long(times) => times[i],
            };
            let channel = match &self.channels {
                Channels::Short(channels) => u32::from(channels[i]),
                Channels::Long(channels) => channels[i],
            };
            into.push((time, channel));
        }
        Ok(())
    }
}
