//! Samples that are changed at random, anew in every epoch.

use super::{DataError, Dataset};
use crate::SpikeTrains;
use crate::random::generator;
use rand::{RngExt, rngs::ChaCha8Rng};
use rand_distr::{Distribution, Normal};

/// The last word of the keys of generators for samples.
const AUGMENTATION: u64 = u64::from_le_bytes(*b"eventpro");

/// Changes samples at random, anew in every epoch. The default changes nothing.
///
/// What happens to a sample depends on the seed, the epoch and its position alone. So it is the same
/// whatever the order of access, the number of threads, or the epoch at which a run is resumed.
///
/// ```
/// use eventprop::{SpikeTrains, data::{Augmentation, Dataset}};
/// let trains = SpikeTrains::from_channels([[1.0], [4.0]])?;
/// let data = Dataset::from_samples(2, 1, 10.0, [(trains, 0)])?;
/// let augmentation = Augmentation::default().jitter(0.5).blend(3);
/// assert_eq!(augmentation.epoch_len(&data), 4);
/// let (spikes, label) = augmentation.sample(&data, 1, 0, 3)?;
/// assert_eq!((spikes.channels(), label), (2, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[must_use]
pub struct Augmentation {
    shift: u32,
    blend: usize,
    stretch: f64,
    jitter: f64,
    drop: f64,
}

impl Augmentation {
    /// Moves all events of a sample by one whole number of channels, uniform from -`shift` to `shift` - 1, as Mészáros
    /// et al. (2025) do: with 1, all stay or move down by one. Events that leave the channels are dropped.
    pub fn shift(mut self, shift: u32) -> Self {
        self.shift = shift;
        self
    }

    /// Adds so many samples to each epoch. Each is made of two samples of one class, drawn at random (the
    /// first of all samples, the second of its class): each is moved by half of the difference of their mean
    /// channels (to the nearest whole number) and mean times, keeps each event with probability 1/2, and
    /// both are merged. Events that leave the channels or the duration are dropped.
    pub fn blend(mut self, extra: usize) -> Self {
        self.blend = extra;
        self
    }

    /// Multiplies all times of a sample by one factor, uniform in `1 - share .. 1 + share`: the same word, said
    /// more slowly or faster. Events that leave the duration are dropped.
    pub fn stretch(mut self, share: f64) -> Self {
        self.stretch = share;
        self
    }

    /// Adds to each time a normal random number with this standard deviation in ms. Events that leave the
    /// duration are dropped.
    pub fn jitter(mut self, sd: f64) -> Self {
        self.jitter = sd;
        self
    }

    /// Drops each event with this probability.
    pub fn drop(mut self, probability: f64) -> Self {
        self.drop = probability;
        self
    }

    /// The number of samples of an epoch over `data`: the extra ones come last. None if there is no data.
    pub fn epoch_len(&self, data: &Dataset) -> usize {
        if data.is_empty() { 0 } else { data.len().saturating_add(self.blend) }
    }

    /// Sample `index` of an epoch and its label.
    ///
    /// # Errors
    /// An index that is not below [`Augmentation::epoch_len`], a jitter that is negative or not finite, a probability or
    /// a share of stretching that is not in 0 ..= 1, or events that cannot be read.
    pub fn sample(
        &self,
        data: &Dataset,
        seed: u64,
        epoch: u64,
        index: usize,
    ) -> Result<(SpikeTrains, usize), DataError> {
        let jitter = self.check()?;
        let len = self.epoch_len(data);
        if index >= len {
            return Err(DataError::NoSample { index, len });
        }
        if *self == Self::default() {
            return Ok((data.spikes(index)?, data.label(index)));
        }
        let mut rng = generator([seed, epoch, index as u64, AUGMENTATION]);
        let (mut events, label) = if index < data.len() {
            let mut events = Vec::new();
            data.events(index, &mut events)?;
            (events, data.label(index))
        } else {
            blend(data, &mut rng)?
        };
        if self.shift > 0 {
            let by = i64::from(self.shift);
            move_by(&mut events, data, rng.random_range(-by..by), 0.0);
        }
        if self.stretch > 0.0 {
            let factor = 1.0 + self.stretch * rng.random_range(-1.0..1.0);
            retime(&mut events, data, |time| time * factor);
        }
        if self.jitter > 0.0 {
            retime(&mut events, data, |time| time + jitter.sample(&mut rng));
        }
        if self.drop > 0.0 {
            events.retain(|_| !rng.random_bool(self.drop));
        }
        let events = events.into_iter().map(|(t, c)| (t, c as usize));
        let spikes = SpikeTrains::from_events(data.channels(), events)
            .map_err(|e| DataError::format(format!("sample {index}: {e}")))?;
        Ok((spikes, label))
    }

    /// Refuses settings without meaning; returns the distribution of jitter.
    pub(crate) fn check(&self) -> Result<Normal<f64>, DataError> {
        if !(0.0..=1.0).contains(&self.drop) {
            return Err(DataError::setting("drop", self.drop, "it must be a probability"));
        }
        if !(0.0..=1.0).contains(&self.stretch) {
            return Err(DataError::setting("stretch", self.stretch, "it must be a share, 0 to 1"));
        }
        let rule = "it must be a finite number of ms, not negative";
        match Normal::new(0.0, self.jitter) {
            Ok(normal) if self.jitter >= 0.0 => Ok(normal),
            _ => Err(DataError::setting("jitter", self.jitter, rule)),
        }
    }
}

/// Gives each event its new time; those that leave the duration are dropped.
fn retime(events: &mut Vec<(f64, u32)>, data: &Dataset, mut time: impl FnMut(f64) -> f64) {
    events.retain_mut(|event| {
        event.0 = time(event.0);
        (0.0..=data.duration()).contains(&event.0)
    });
}

/// Moves all events; those that leave channels or duration are dropped.
fn move_by(events: &mut Vec<(f64, u32)>, data: &Dataset, channels: i64, time: f64) {
    events.retain_mut(|event| {
        let channel = i64::from(event.1) + channels;
        *event = (event.0 + time, channel as u32);
        (0..data.channels() as i64).contains(&channel) && (0.0..=data.duration()).contains(&event.0)
    });
}

/// Two samples of one class in one.
fn blend(data: &Dataset, rng: &mut ChaCha8Rng) -> Result<(Vec<(f64, u32)>, usize), DataError> {
    let first = rng.random_range(0..data.len());
    let label = data.label(first);
    let second = loop {
        // Ends: the first is one of them.
        let second = rng.random_range(0..data.len());
        if data.label(second) == label {
            break second;
        }
    };
    let (mut a, mut b) = (Vec::new(), Vec::new());
    data.events(first, &mut a)?;
    data.events(second, &mut b)?;
    if let (Some((channel_a, time_a)), Some((channel_b, time_b))) = (centroid(&a), centroid(&b)) {
        let channels = ((channel_b - channel_a) / 2.0).round() as i64;
        let time = (time_b - time_a) / 2.0;
        move_by(&mut a, data, channels, time);
        move_by(&mut b, data, -channels, -time);
    }
    a.append(&mut b);
    a.retain(|_| rng.random_bool(0.5));
    Ok((a, label))
}

/// Mean channel and mean time; none without events.
fn centroid(events: &[(f64, u32)]) -> Option<(f64, f64)> {
    let n = events.len() as f64;
    let sum = events.iter().fold((0.0, 0.0), |(c, t), e| (c + f64::from(e.1), t + e.0));
    (!events.is_empty()).then_some((sum.0 / n, sum.1 / n))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> Dataset {
        let samples = (0..10).map(|k| {
            let events = (0..30).map(|e| (5.0 + e as f64, (3 + k + e % 4) % 20));
            (SpikeTrains::from_events(20, events).unwrap(), k % 2)
        });
        Dataset::from_samples(20, 2, 40.0, samples).unwrap()
    }

    #[test]
    fn a_sample_depends_on_seed_epoch_and_index_alone() {
        let data = set();
        let all = Augmentation::default().shift(3).stretch(0.1).jitter(1.0).drop(0.1).blend(5);
        let take = |seed, epoch, index| all.sample(&data, seed, epoch, index).unwrap();
        let forwards: Vec<_> = (0..15).map(|k| take(1, 2, k)).collect();
        let backwards: Vec<_> = (0..15).rev().map(|k| take(1, 2, k)).collect();
        assert!(forwards.iter().eq(backwards.iter().rev()));
        assert_ne!(take(1, 2, 0), take(2, 2, 0));
        assert_ne!(take(1, 2, 0), take(1, 3, 0));
        assert_ne!(take(1, 2, 0), take(2, 1, 0));
    }

    #[test]
    fn nothing_asked_for_is_nothing_done() {
        let data = set();
        let none = Augmentation::default();
        assert_eq!(none.epoch_len(&data), 10);
        assert_eq!(none.sample(&data, 1, 0, 3).unwrap(), (data.spikes(3).unwrap(), 1));
        let empty = data.subset(&[]).unwrap();
        assert_eq!(Augmentation::default().blend(5).epoch_len(&empty), 0);
    }

    #[test]
    fn a_shift_moves_all_events_alike_and_drops_those_that_leave() {
        let data = set();
        let old = data.spikes(0).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for epoch in 0..200 {
            let (spikes, _) = Augmentation::default().shift(5).sample(&data, 1, epoch, 0).unwrap();
            // Channels 3 to 6 hold all events, and two of them may leave.
            let by = (-5..5).find(|by| {
                (0..20).all(|c| match usize::try_from(c - by) {
                    Ok(from) if from < 20 => spikes.channel(c as usize) == old.channel(from),
                    _ => spikes.channel(c as usize).is_empty(),
                })
            });
            seen.insert(by.expect("one shift for all"));
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), (-5..5).collect::<Vec<_>>());
    }

    #[test]
    fn a_stretch_is_one_factor_for_all_times() {
        let old = SpikeTrains::from_channels([vec![10.0, 20.0, 95.0], vec![40.0]]).unwrap();
        let data = Dataset::from_samples(2, 1, 100.0, [(old, 0)]).unwrap();
        let (mut least, mut most, mut dropped) = (f64::MAX, 0.0_f64, 0);
        for epoch in 0..500 {
            let (spikes, _) =
                Augmentation::default().stretch(0.2).sample(&data, 1, epoch, 0).unwrap();
            let factor = spikes.channel(1)[0] / 40.0;
            (least, most) = (least.min(factor), most.max(factor));
            let stays = 95.0 * factor <= 100.0;
            dropped += usize::from(!stays);
            let times = [10.0, 20.0, 95.0].map(|t: f64| t * factor);
            let found = spikes.channel(0);
            assert_eq!(found.len(), 2 + usize::from(stays));
            assert!(found.iter().zip(times).all(|(a, b)| (a - b).abs() < 1e-12));
        }
        assert!((0.8..0.81).contains(&least) && (1.19..=1.2).contains(&most), "{least} {most}");
        // Factors from 100/95 on: 0.37 of all.
        assert!((130..240).contains(&dropped), "{dropped}");
    }

    #[test]
    fn jitter_and_drop_do_what_they_say() {
        let many = SpikeTrains::from_channels([vec![50.0; 10_000]]).unwrap();
        let data = Dataset::from_samples(1, 1, 100.0, [(many, 0)]).unwrap();
        let (spikes, _) = Augmentation::default().jitter(2.0).sample(&data, 1, 0, 0).unwrap();
        let mean = spikes.times().iter().sum::<f64>() / 1e4;
        let variance = spikes.times().iter().map(|t| (t - mean).powi(2)).sum::<f64>() / 1e4;
        // Five standard errors.
        assert!((mean - 50.0).abs() < 0.1 && (variance - 4.0).abs() < 0.3, "{mean} {variance}");
        let (spikes, _) = Augmentation::default().drop(0.3).sample(&data, 1, 0, 0).unwrap();
        assert!((6770..7230).contains(&spikes.len()), "{}", spikes.len());
        let edge = SpikeTrains::from_channels([vec![0.0; 1000]]).unwrap();
        let data = Dataset::from_samples(1, 1, 100.0, [(edge, 0)]).unwrap();
        let (spikes, _) = Augmentation::default().jitter(2.0).sample(&data, 1, 0, 0).unwrap();
        assert!((420..580).contains(&spikes.len()), "{}", spikes.len());
    }

    #[test]
    fn blending_meets_in_the_middle() {
        let trains = |start: f64, channel| {
            let events = (0..1000).map(move |e| (start + f64::from(e % 20), channel));
            (SpikeTrains::from_events(30, events).unwrap(), 0)
        };
        let data =
            Dataset::from_samples(30, 1, 200.0, [trains(10.0, 4), trains(50.0, 20)]).unwrap();
        let blend = Augmentation::default().blend(40);
        let (mut same, mut middle) = (0, 0);
        for index in 2..42 {
            let (spikes, label) = blend.sample(&data, 1, 0, index).unwrap();
            assert!(label == 0 && (840..1160).contains(&spikes.len()), "{}", spikes.len());
            let own = |c: usize| spikes.channel(c).len() == spikes.len();
            match (own(4) || own(20), own(12)) {
                (true, _) => same += 1,
                // Both are now 30 ms to 49 ms.
                (_, true) => {
                    let times = spikes.channel(12);
                    assert_eq!((times[0], times[times.len() - 1]), (30.0, 49.0));
                    middle += 1;
                }
                _ => panic!("a blend of other channels"),
            }
        }
        // Two draws are the same sample half of the time.
        assert!(same > 5 && middle > 5);
    }

    #[test]
    fn settings_without_meaning_are_refused() {
        let data = set();
        let none = Augmentation::default;
        for bad in [
            none().jitter(f64::NAN),
            none().jitter(-1.0),
            none().drop(1.5),
            none().drop(f64::NAN),
            none().stretch(1.5),
            none().stretch(-0.1),
            none().stretch(f64::NAN),
        ] {
            let refused = bad.sample(&data, 1, 0, 0);
            assert!(matches!(refused, Err(DataError::BadSetting { .. })));
        }
        let beyond = none().blend(2).sample(&data, 1, 0, 12);
        assert_eq!(beyond, Err(DataError::NoSample { index: 12, len: 12 }));
    }
}
