//! Augmentation: samples of an epoch that differ from those of the set.

use super::{DataError, Dataset};
use crate::SpikeTrains;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, RngExt, SeedableRng};
use rand_distr::{Distribution, Normal};

/// How the samples of an epoch are varied: nothing unless it is named.
///
/// What a sample becomes depends on (seed, epoch, index) and on nothing else: not on threads, not on the
/// order in which samples are taken. Events that leave the channels or the time [0, duration) are dropped.
///
/// ```
/// use eventprop::data::{Augmentation, Dataset};
/// let mut set = Dataset::builder(10, ["a", "b"]);
/// for k in 0..8 {
///     set.push([(1.0 + k as f64, k), (9.0, k + 1)], k % 2)?;
/// }
/// let set = set.build();
/// let augmentation = Augmentation::new().shift(2).jitter(0.5).blend(4);
/// assert_eq!(augmentation.epoch_len(&set), 12);
/// let (spikes, label) = augmentation.sample(&set, 1, 0, 9)?; // one of the blended ones
/// assert!(spikes.channels() == 10 && label < 2);
/// # Ok::<(), eventprop::data::DataError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Augmentation {
    shift: usize,
    jitter: f64,
    drop: f64,
    blend: usize,
}

impl Augmentation {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves all events of a sample by one whole number of channels, drawn from [-channels, channels)
    /// (Mészáros et al. 2025: 40 of 700).
    pub fn shift(mut self, channels: usize) -> Self {
        self.shift = channels;
        self
    }

    /// Moves each event by a normally distributed time with this standard deviation in ms.
    pub fn jitter(mut self, deviation: f64) -> Self {
        self.jitter = deviation;
        self
    }

    /// Drops each event with this probability.
    pub fn drop(mut self, probability: f64) -> Self {
        self.drop = probability;
        self
    }

    /// Adds so many samples to each epoch, each blended from two of one class (Mészáros et al. 2025: 7644 to
    /// 8156): both are moved to the middle of their centroids, in channels and time, and each of their
    /// events is kept with probability 1/2.
    pub fn blend(mut self, samples: usize) -> Self {
        self.blend = samples;
        self
    }

    /// The number of samples of an epoch.
    pub fn epoch_len(&self, data: &Dataset) -> usize {
        if data.is_empty() { 0 } else { data.len() + self.blend }
    }

    /// Sample `index` of an epoch, and its label. Those from `data.len()` on are blended.
    ///
    /// # Errors
    /// No such sample, one that cannot be read, or a constant without meaning.
    pub fn sample(
        &self,
        data: &Dataset,
        seed: u64,
        epoch: usize,
        index: usize,
    ) -> Result<(SpikeTrains, usize), DataError> {
        self.check()?;
        let len = self.epoch_len(data);
        if index >= len {
            return Err(DataError::NoSuchSample { index, len });
        }
        let mut rng = stream(seed, epoch, index);
        let (spikes, label) = if index < data.len() {
            (data.spikes(index)?, data.label(index))
        } else {
            blended(data, &mut rng)?
        };
        if self.shift == 0 && self.jitter == 0.0 && self.drop == 0.0 {
            return Ok((spikes, label));
        }
        let most = i64::try_from(self.shift).unwrap_or(i64::MAX);
        let shift = if most == 0 { 0 } else { rng.random_range(-most..most) };
        let noise = Normal::new(0.0, self.jitter).ok();
        let moved = each(&spikes).filter_map(|(time, channel)| {
            let kept = self.drop == 0.0 || rng.random::<f64>() >= self.drop;
            let by = noise.filter(|_| self.jitter > 0.0).map_or(0.0, |n| n.sample(&mut rng));
            kept.then(|| within(data, time + by, channel as i64 + shift)).flatten()
        });
        Ok((SpikeTrains::from_events(data.channels(), moved)?, label))
    }

    fn check(&self) -> Result<(), DataError> {
        let constant = |what, value, rule| Err(DataError::Constant { what, value, rule });
        if !(self.jitter.is_finite() && self.jitter >= 0.0) {
            return constant("the jitter in ms", self.jitter, "finite and not negative");
        }
        if !(0.0..=1.0).contains(&self.drop) {
            return constant("the probability to drop an event", self.drop, "from 0 to 1");
        }
        Ok(())
    }
}

/// Random numbers for one sample of one epoch.
fn stream(seed: u64, epoch: usize, index: usize) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, part) in key.chunks_exact_mut(8).zip([seed, epoch as u64, index as u64, 0]) {
        bytes.copy_from_slice(&part.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// The events (time, channel), channel by channel.
fn each(spikes: &SpikeTrains) -> impl Iterator<Item = (f64, usize)> {
    spikes.iter().enumerate().flat_map(|(channel, times)| times.iter().map(move |&t| (t, channel)))
}

fn within(data: &Dataset, time: f64, channel: i64) -> Option<(f64, usize)> {
    let channel = usize::try_from(channel).ok().filter(|&c| c < data.channels())?;
    (time >= 0.0 && time < data.duration()).then_some((time, channel))
}

/// A sample made of two of one class.
fn blended(data: &Dataset, rng: &mut impl Rng) -> Result<(SpikeTrains, usize), DataError> {
    let first = rng.random_range(0..data.len());
    let label = data.label(first);
    let alike: Vec<usize> =
        (0..data.len()).filter(|&k| k != first && data.label(k) == label).collect();
    // The only one of its class is blended with itself.
    let second = if alike.is_empty() { first } else { alike[rng.random_range(0..alike.len())] };
    let (a, b) = (data.spikes(first)?, data.spikes(second)?);
    let ((time_a, channel_a), (time_b, channel_b)) = (centroid(&a), centroid(&b));
    // Nothing has no centroid, and stays where it is.
    let (time, channel) = if a.is_empty() || b.is_empty() {
        (0.0, 0)
    } else {
        ((time_b - time_a) / 2.0, ((channel_b - channel_a) / 2.0).round() as i64)
    };
    let mut events = Vec::with_capacity((a.len() + b.len()) / 2);
    for (spikes, sign) in [(&a, 1), (&b, -1)] {
        for (t, c) in each(spikes) {
            if rng.random::<f64>() < 0.5 {
                let moved =
                    within(data, t + f64::from(sign) * time, c as i64 + i64::from(sign) * channel);
                events.extend(moved);
            }
        }
    }
    Ok((SpikeTrains::from_events(data.channels(), events)?, label))
}

/// The mean time and channel.
fn centroid(spikes: &SpikeTrains) -> (f64, f64) {
    let sum = each(spikes).fold((0.0, 0.0), |s, (t, c)| (s.0 + t, s.1 + c as f64));
    let count = spikes.len().max(1) as f64;
    (sum.0 / count, sum.1 / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> Dataset {
        let mut set = Dataset::builder(20, ["a", "b"]);
        for k in 0..10 {
            let events = (0..30).map(|e| (5.0 + e as f64, (3 + k + e % 4) % 20));
            set.push(events, k % 2).unwrap();
        }
        set.build()
    }

    #[test]
    fn a_sample_depends_on_seed_epoch_and_index_alone() {
        let (set, augmentation) =
            (set(), Augmentation::new().shift(3).jitter(1.0).drop(0.1).blend(5));
        let take = |seed, epoch, index| augmentation.sample(&set, seed, epoch, index).unwrap();
        let forwards: Vec<_> = (0..15).map(|k| take(1, 2, k)).collect();
        let backwards: Vec<_> = (0..15).rev().map(|k| take(1, 2, k)).collect();
        assert!(forwards.iter().eq(backwards.iter().rev()));
        assert_ne!(take(1, 2, 0), take(2, 2, 0));
        assert_ne!(take(1, 2, 0), take(1, 3, 0));
    }

    #[test]
    fn nothing_named_is_nothing_done() {
        let set = set();
        let (spikes, label) = Augmentation::new().sample(&set, 1, 0, 3).unwrap();
        assert_eq!((spikes, label), (set.spikes(3).unwrap(), set.label(3)));
    }

    #[test]
    fn shift_moves_all_events_alike() {
        let set = set();
        let mut seen = std::collections::BTreeSet::new();
        for epoch in 0..200 {
            let (spikes, _) = Augmentation::new().shift(2).sample(&set, 1, epoch, 0).unwrap();
            let old = set.spikes(0).unwrap();
            let by = spikes.iter().position(|c| !c.is_empty()).unwrap() as i64 - 3;
            assert_eq!(spikes.len(), old.len());
            assert!(
                (0..4)
                    .all(|c| spikes.channel((3 + c + by) as usize) == old.channel(3 + c as usize))
            );
            seen.insert(by);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-2, -1, 0, 1]);
    }

    #[test]
    fn blending_meets_in_the_middle() {
        let mut set = Dataset::builder(30, ["a"]).duration(200.0);
        set.push((0..1000).map(|e| (10.0 + f64::from(e % 20), 4)), 0).unwrap();
        set.push((0..1000).map(|e| (50.0 + f64::from(e % 20), 20)), 0).unwrap();
        let set = set.build();
        let (spikes, _) = Augmentation::new().blend(1).sample(&set, 1, 0, 2).unwrap();
        assert_eq!(spikes.channel(12).len(), spikes.len());
        let (time, _) = centroid(&spikes);
        assert!((time - 39.5).abs() < 1.0, "{time}");
        assert!((900..1100).contains(&spikes.len()));
    }

    #[test]
    fn constants_without_meaning_are_refused() {
        let set = set();
        for bad in [Augmentation::new().jitter(f64::NAN), Augmentation::new().drop(1.5)] {
            assert!(matches!(bad.sample(&set, 1, 0, 0), Err(DataError::Constant { .. })));
        }
        let beyond = Augmentation::new().blend(2).sample(&set, 1, 0, 12);
        assert!(matches!(beyond, Err(DataError::NoSuchSample { index: 12, len: 12 })));
    }
}
