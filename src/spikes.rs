//! Spike trains, the only thing that travels between layers.

use crate::memory;
use thiserror::Error;

/// Why spike trains were refused.
#[derive(Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SpikeTrainsError {
    /// A time is NaN, infinite or negative.
    #[error(
        "channel {channel}, spike {index}: time {time} ms is not a finite, non-negative number"
    )]
    BadTime {
        /// The channel.
        channel: usize,
        /// Position within the channel (or within the event list).
        index: usize,
        /// The offending time in ms.
        time: f64,
    },
    /// Times of one channel are not in ascending order.
    #[error(
        "channel {channel}, spike {index}: {time} ms comes after {previous} ms; times of a channel must ascend"
    )]
    Unsorted {
        /// The channel.
        channel: usize,
        /// Position within the channel.
        index: usize,
        /// The offending time in ms.
        time: f64,
        /// The time before it.
        previous: f64,
    },
    /// An event names a channel that does not exist.
    #[error("event {index} is on channel {channel}, but there are {channels} channels (0-based)")]
    ChannelOutOfRange {
        /// Position in the event list.
        index: usize,
        /// The channel named.
        channel: usize,
        /// The number of channels.
        channels: usize,
    },
    /// No memory for so many channels.
    #[error("{channels} channels need at least {bytes} bytes of memory, which cannot be had")]
    Memory {
        /// The number of channels.
        channels: usize,
        /// What they need at least.
        bytes: u128,
    },
    /// Offsets do not describe the times (only from stored data).
    #[error("offsets must start at 0, ascend, and end at the number of times ({times})")]
    BadOffsets {
        /// The number of times.
        times: usize,
    },
}

/// Sorted spike times of a number of channels, in ms.
///
/// Times are finite, not negative, and ascend within a channel; equal times are allowed. This holds
/// from construction on, so nothing that takes spike trains has to check it again.
///
/// ```
/// use eventprop::SpikeTrains;
/// let trains = SpikeTrains::from_channels([vec![1.0, 4.5], vec![], vec![2.0]])?;
/// assert_eq!(trains.channels(), 3);
/// assert_eq!(trains.channel(0), [1.0, 4.5]);
/// let same = SpikeTrains::from_events(3, [(4.5, 0), (2.0, 2), (1.0, 0)])?;
/// assert_eq!(trains, same);
/// # Ok::<(), eventprop::SpikeTrainsError>(())
/// ```
#[derive(Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "Raw"))]
pub struct SpikeTrains {
    /// Channel c holds times[offsets[c]..offsets[c + 1]].
    offsets: Vec<usize>,
    times: Vec<f64>,
}

impl Clone for SpikeTrains {
    fn clone(&self) -> Self {
        Self { offsets: self.offsets.clone(), times: self.times.clone() }
    }

    // The derived one would not use the memory of `self` again.
    fn clone_from(&mut self, source: &Self) {
        self.offsets.clone_from(&source.offsets);
        self.times.clone_from(&source.times);
    }
}

/// No channels.
impl Default for SpikeTrains {
    fn default() -> Self {
        Self::silent(0)
    }
}

impl SpikeTrains {
    /// Trains without a spike.
    ///
    /// # Panics
    /// If there is no memory for so many channels; [`SpikeTrains::from_events`] returns an error then.
    pub fn silent(channels: usize) -> Self {
        Self { offsets: vec![0; channels + 1], times: Vec::new() }
    }

    /// Trains from one list of times (ms) per channel.
    ///
    /// ```
    /// use eventprop::SpikeTrains;
    ///
    /// let lists: Vec<Vec<f64>> = vec![vec![2.0, 9.5], vec![], vec![8.0]];
    /// let spikes = SpikeTrains::from_channels(lists.iter().map(|times| times.iter().copied()))?;
    /// assert_eq!((spikes.channels(), spikes.len()), (3, 3));
    /// # Ok::<(), eventprop::SpikeTrainsError>(())
    /// ```
    ///
    /// # Errors
    /// A time that is not finite or negative, or lists that do not ascend: lists are taken as they
    /// are, never sorted. See [`SpikeTrains::from_events`] for events in any order.
    pub fn from_channels<C>(channels: impl IntoIterator<Item = C>) -> Result<Self, SpikeTrainsError>
    where
        C: IntoIterator<Item = f64>,
    {
        let mut offsets = vec![0];
        let mut times = Vec::new();
        for channel in channels {
            times.extend(channel);
            offsets.push(times.len());
        }
        Self::from_csr(offsets, times)
    }

    /// Trains from (time in ms, channel) events in any order; they are sorted by time within a
    /// channel.
    ///
    /// # Errors
    /// A time that is not finite or negative, a channel that is not below `channels`, or no memory for so many
    /// channels.
    pub fn from_events(
        channels: usize,
        events: impl IntoIterator<Item = (f64, usize)>,
    ) -> Result<Self, SpikeTrainsError> {
        // Where each starts, and again while they are filled.
        memory::check(channels as u128 + 1, 2 * size_of::<usize>())
            .map_err(|bytes| SpikeTrainsError::Memory { channels, bytes })?;
        let mut events: Vec<(f64, usize)> = events.into_iter().collect();
        let mut offsets = vec![0; channels + 1];
        for (index, &mut (ref mut time, channel)) in events.iter_mut().enumerate() {
            if channel >= channels {
                return Err(SpikeTrainsError::ChannelOutOfRange { index, channel, channels });
            }
            *time = checked(*time, channel, index)?;
            offsets[channel + 1] += 1;
        }
        for c in 0..channels {
            offsets[c + 1] += offsets[c];
        }
        let mut next = offsets.clone();
        let mut times = vec![0.0; events.len()];
        for (time, channel) in events {
            times[next[channel]] = time;
            next[channel] += 1;
        }
        for c in 0..channels {
            times[offsets[c]..offsets[c + 1]].sort_unstable_by(f64::total_cmp);
        }
        Ok(Self { offsets, times })
    }

    /// Trains from compressed rows: channel `c` has the times `times[offsets[c]..offsets[c + 1]]`.
    ///
    /// # Errors
    /// Offsets that do not describe `times`, or times as in [`SpikeTrains::from_channels`].
    pub fn from_csr(offsets: Vec<usize>, mut times: Vec<f64>) -> Result<Self, SpikeTrainsError> {
        let ascending = offsets.windows(2).all(|w| w[0] <= w[1]);
        if offsets.first() != Some(&0) || offsets.last() != Some(&times.len()) || !ascending {
            return Err(SpikeTrainsError::BadOffsets { times: times.len() });
        }
        for (channel, w) in offsets.windows(2).enumerate() {
            let mut previous = 0.0;
            for (index, time) in times[w[0]..w[1]].iter_mut().enumerate() {
                *time = checked(*time, channel, index)?;
                if *time < previous {
                    let time = *time;
                    return Err(SpikeTrainsError::Unsorted { channel, index, time, previous });
                }
                previous = *time;
            }
        }
        Ok(Self { offsets, times })
    }

    /// The number of channels.
    pub fn channels(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The number of spikes in all channels.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there is no spike at all.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The spike times of one channel, ascending; a borrowed slice.
    ///
    /// # Panics
    /// If there is no such channel.
    pub fn channel(&self, channel: usize) -> &[f64] {
        &self.times[self.offsets[channel]..self.offsets[channel + 1]]
    }

    /// The spike times of every channel in turn; borrowed slices.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f64]> + Clone {
        self.offsets.windows(2).map(|w| &self.times[w[0]..w[1]])
    }

    /// All times, channel after channel.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// Where each channel starts in [`SpikeTrains::times`], and the end: `channels + 1` numbers.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// (offsets, times), to be refilled in place; what construction checks must hold again afterwards.
    pub(crate) fn parts_mut(&mut self) -> (&mut Vec<usize>, &mut Vec<f64>) {
        (&mut self.offsets, &mut self.times)
    }

    /// All (time, channel) events in the order of time; ties in the order of channels.
    pub fn events(&self) -> Vec<(f64, usize)> {
        let mut events: Vec<_> = self
            .iter()
            .enumerate()
            .flat_map(|(c, times)| times.iter().map(move |&t| (t, c)))
            .collect();
        events.sort_by(|a, b| a.0.total_cmp(&b.0));
        events
    }
}

/// The time, with 0 for -0, which would come before it.
fn checked(time: f64, channel: usize, index: usize) -> Result<f64, SpikeTrainsError> {
    if time.is_finite() && time >= 0.0 {
        Ok(time + 0.0)
    } else {
        Err(SpikeTrainsError::BadTime { channel, index, time })
    }
}

#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
struct Raw {
    offsets: Vec<usize>,
    times: Vec<f64>,
}

#[cfg(feature = "serde")]
impl TryFrom<Raw> for SpikeTrains {
    type Error = SpikeTrainsError;
    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        Self::from_csr(raw.offsets, raw.times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_must_ascend_and_be_finite() {
        let bad = SpikeTrains::from_channels([vec![1.0], vec![2.0, 1.0]]);
        assert_eq!(
            bad,
            Err(SpikeTrainsError::Unsorted { channel: 1, index: 1, time: 1.0, previous: 2.0 })
        );
        for t in [f64::NAN, f64::INFINITY, -1e-9] {
            assert!(matches!(
                SpikeTrains::from_channels([vec![t]]),
                Err(SpikeTrainsError::BadTime { channel: 0, index: 0, .. })
            ));
            assert!(SpikeTrains::from_events(1, [(t, 0)]).is_err());
        }
    }

    #[test]
    fn events_are_sorted_and_checked() {
        let trains = SpikeTrains::from_events(2, [(3.0, 1), (1.0, 0), (2.0, 1)]).unwrap();
        assert_eq!(trains.channel(1), [2.0, 3.0]);
        assert_eq!(trains.events(), [(1.0, 0), (2.0, 1), (3.0, 1)]);
        assert!(matches!(
            SpikeTrains::from_events(2, [(1.0, 2)]),
            Err(SpikeTrainsError::ChannelOutOfRange { index: 0, channel: 2, channels: 2 })
        ));
        // -0 is 0, and so does not come before it.
        let zeros = SpikeTrains::from_channels([[0.0], [-0.0]]).unwrap();
        assert_eq!(zeros.events(), [(0.0, 0), (0.0, 1)]);
        let zeros = SpikeTrains::from_events(1, [(-0.0, 0)]).unwrap();
        assert!(zeros.times()[0].is_sign_positive());
    }

    #[test]
    fn offsets_are_checked() {
        for offsets in [vec![], vec![0], vec![1, 1], vec![0, 2, 1], vec![0, 2]] {
            assert!(SpikeTrains::from_csr(offsets, vec![1.0]).is_err());
        }
        assert_eq!(SpikeTrains::from_csr(vec![0, 0, 1], vec![1.0]).unwrap().channels(), 2);
    }
}
