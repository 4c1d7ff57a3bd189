//! Where the events of samples are kept.

use super::{DataError, dataset::by_time};
use std::fmt;

/// Events that are read per sample, from a file or from other sets.
pub(crate) trait Source: fmt::Debug + Send + Sync {
    /// Adds the (time in ms, channel) events of a sample to `into`: checked, in any order.
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
        events.sort_unstable_by(by_time);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(memory: &Memory, sample: usize) -> Vec<(f64, u32)> {
        let mut events = Vec::new();
        memory.read(sample, &mut events).unwrap();
        events
    }

    #[test]
    fn times_take_half_of_the_memory_only_where_that_loses_nothing() {
        let mut memory = Memory::new(70_000);
        memory.push(&mut [(1.5, 69_999), (0.25, 3), (0.25, 3)]);
        assert!(matches!(memory.times, Times::Short(_)));
        memory.push(&mut []);
        memory.push(&mut [(0.1, 0)]);
        assert!(matches!(memory.times, Times::Long(_)));
        assert_eq!(read(&memory, 0), [(0.25, 3), (0.25, 3), (1.5, 69_999)]);
        assert_eq!(read(&memory, 1), []);
        assert_eq!(read(&memory, 2), [(0.1, 0)]);
    }

    #[test]
    fn channels_take_two_bytes_where_that_is_enough() {
        assert!(matches!(Memory::new(1 << 16).channels, Channels::Short(_)));
        assert!(matches!(Memory::new((1 << 16) + 1).channels, Channels::Long(_)));
    }
}
