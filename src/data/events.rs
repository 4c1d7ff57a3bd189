//! Events of many samples in little memory.

/// Numbers that are kept in half of the memory where that loses nothing.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Times {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Times {
    pub fn new() -> Self {
        Self::Single(Vec::new())
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Single(times) => times.len(),
            Self::Double(times) => times.len(),
        }
    }

    pub fn get(&self, index: usize) -> f64 {
        match self {
            Self::Single(times) => f64::from(times[index]),
            Self::Double(times) => times[index],
        }
    }

    pub fn push(&mut self, time: f64) {
        if let Self::Single(times) = self {
            let single = time as f32;
            if f64::from(single) == time {
                return times.push(single);
            }
            *self = Self::Double(times.iter().map(|&t| f64::from(t)).collect());
        }
        if let Self::Double(times) = self {
            times.push(time);
        }
    }
}

/// Channel numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Channels {
    Short(Vec<u16>),
    Long(Vec<u32>),
}

impl Channels {
    /// For so many channels.
    pub fn new(channels: usize) -> Self {
        if channels <= 1 << 16 { Self::Short(Vec::new()) } else { Self::Long(Vec::new()) }
    }

    pub fn get(&self, index: usize) -> usize {
        match self {
            Self::Short(channels) => usize::from(channels[index]),
            Self::Long(channels) => channels[index] as usize,
        }
    }

    /// Appends a channel that is below the number of them.
    pub fn push(&mut self, channel: usize) {
        match self {
            Self::Short(channels) => channels.push(channel as u16),
            Self::Long(channels) => channels.push(channel as u32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kept_as_they_are() {
        let mut times = Times::new();
        for time in [0.0, 0.125, 1000.5] {
            times.push(time);
        }
        assert!(matches!(times, Times::Single(_)));
        times.push(0.1);
        assert!(matches!(times, Times::Double(_)));
        times.push(0.2);
        let kept: Vec<f64> = (0..times.len()).map(|k| times.get(k)).collect();
        assert_eq!(kept, [0.0, 0.125, 1000.5, 0.1, 0.2]);
    }

    #[test]
    fn channels_are_as_wide_as_needed() {
        for (count, last) in [(65_536, 65_535), (65_537, 65_536)] {
            let mut channels = Channels::new(count);
            channels.push(last);
            assert_eq!(channels.get(0), last);
        }
    }
}
