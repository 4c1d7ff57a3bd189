//! Sets made of other sets; events are changed when they are read.

use super::{
    DataError, Dataset, Part,
    dataset::{Header, Store},
    events::Source,
};
use std::{collections::HashMap, sync::Arc};

impl Dataset {
    /// The same samples, `width` neighbouring channels merged into one: channel c becomes c / width. Events
    /// that meet at one time are all kept.
    ///
    /// # Errors
    /// A width of 0.
    pub fn merge_channels(&self, width: usize) -> Result<Self, DataError> {
        if width == 0 {
            return Err(DataError::setting("width", width, "it must be at least 1"));
        }
        let header = self.header().clone();
        let channels = header.channels.div_ceil(width);
        // A width beyond all channels merges them all, as the largest one that fits does.
        let merge = u32::try_from(width).unwrap_or(u32::MAX);
        self.view(Header { channels, ..header }, Change { merge, ..Change::default() })
    }

    /// The same samples with another duration in ms, shorter or longer: events at this time or later are dropped.
    ///
    /// # Errors
    /// A duration that is negative or not finite.
    pub fn with_duration(&self, duration: f64) -> Result<Self, DataError> {
        let change = Change { before: duration, ..Change::default() };
        self.view(Header { duration, ..self.header().clone() }, change)
    }

    /// The same samples with all times, and the duration, times `factor`: 1000 makes ms of a file in s, 0.5 plays it twice
    /// as fast.
    ///
    /// # Errors
    /// A factor that is not finite and above 0, or makes the duration infinite.
    pub fn scale_times(&self, factor: f64) -> Result<Self, DataError> {
        if !(factor.is_finite() && factor > 0.0) {
            return Err(DataError::setting("factor", factor, "it must be finite and above 0"));
        }
        let header = self.header().clone();
        let duration = header.duration * factor;
        self.view(Header { duration, ..header }, Change { factor, ..Change::default() })
    }

    /// The same samples without the events that come less than `gap` ms after the last one that was kept in their
    /// channel: so many neighbours that say the same, or bins of a histogram that hold one event at most, cost
    /// nothing. A gap of 0 keeps all.
    ///
    /// # Errors
    /// A gap that is negative or not a number.
    pub fn thin(&self, gap: f64) -> Result<Self, DataError> {
        if gap.is_nan() || gap < 0.0 {
            return Err(DataError::setting("gap", gap, "it must be a number of ms, not negative"));
        }
        self.view(self.header().clone(), Change { gap, ..Change::default() })
    }

    /// The same samples with every `n`-th event of each channel only, where the first of a channel that is kept differs
    /// between channels: fewer events, at rates that keep their proportions.
    ///
    /// # Errors
    /// An `n` of 0.
    pub fn every(&self, n: u32) -> Result<Self, DataError> {
        if n == 0 {
            return Err(DataError::setting("n", n, "it must be at least 1"));
        }
        self.view(self.header().clone(), Change { every: n, ..Change::default() })
    }

    /// The same samples with more channels, the new ones silent.
    ///
    /// # Errors
    /// Fewer channels than there are.
    pub fn with_channels(&self, channels: usize) -> Result<Self, DataError> {
        if channels < self.channels() {
            return Err(DataError::setting("channels", channels, "the set has more"));
        }
        self.view(Header { channels, ..self.header().clone() }, Change::default())
    }

    /// The same samples with these names of classes, as many as there are or more.
    ///
    /// # Errors
    /// Fewer names than classes.
    pub fn name_classes<S: Into<String>>(
        &self,
        names: impl IntoIterator<Item = S>,
    ) -> Result<Self, DataError> {
        let class_names: Vec<String> = names.into_iter().map(Into::into).collect();
        if class_names.len() < self.classes() {
            let found = class_names.len();
            return Err(DataError::setting(
                "the number of names",
                found,
                "the set has more classes",
            ));
        }
        self.view(Header { class_names, ..self.header().clone() }, Change::default())
    }

    /// One set of several, each with what it is for. It has the channels and the duration of the largest, and the sources
    /// and licences of all.
    ///
    /// # Errors
    /// Classes of other names, or no set at all.
    pub fn join(sets: &[(Part, &Self)]) -> Result<Self, DataError> {
        let Some((_, first)) = sets.first() else {
            return Err(DataError::format("there is no set to join"));
        };
        let mut header = first.header().clone();
        header.source = joined(sets.iter().map(|(_, set)| set.source()));
        header.license = joined(sets.iter().map(|(_, set)| set.license()));
        let mut about = Vec::new();
        let mut ends = Vec::new();
        for (part, set) in sets {
            if set.class_names() != first.class_names() {
                let (other, own) = (set.class_names(), first.class_names());
                let what =
                    format!("sets to join must have the same classes, not {own:?} and {other:?}");
                return Err(DataError::format(what));
            }
            header.channels = header.channels.max(set.channels());
            header.duration = header.duration.max(set.duration());
            for index in 0..set.len() {
                about.push(super::dataset::About { part: *part, ..*set.about(index) });
            }
            ends.push(about.len());
        }
        let sets = sets.iter().map(|&(_, set)| set.clone()).collect();
        Ok(Self::new(Store { header, about, events: Arc::new(Joined { sets, ends }) }))
    }

    fn view(&self, header: Header, change: Change) -> Result<Self, DataError> {
        header.check()?;
        let about = (0..self.len()).map(|index| *self.about(index)).collect();
        let events = Arc::new(View { data: self.clone(), change });
        Ok(Self::new(Store { header, about, events }))
    }
}

/// What a view does to events.
#[derive(Debug, Clone, Copy)]
struct Change {
    merge: u32,
    factor: f64,
    before: f64,
    gap: f64,
    every: u32,
}

impl Default for Change {
    fn default() -> Self {
        Self { merge: 1, factor: 1.0, before: f64::INFINITY, gap: 0.0, every: 1 }
    }
}

/// A set with other channels, other times or fewer events.
#[derive(Debug)]
struct View {
    data: Dataset,
    change: Change,
}

impl Source for View {
    fn read(&self, sample: usize, into: &mut Vec<(f64, u32)>) -> Result<(), DataError> {
        let Change { merge, factor, before, gap, every } = self.change;
        self.data.events(sample, into)?;
        into.retain(|&(time, _)| time < before);
        into.iter_mut().for_each(|event| event.1 /= merge);
        into.iter_mut().for_each(|event| event.0 *= factor);
        if gap > 0.0 {
            let mut last: HashMap<u32, f64> = HashMap::new();
            into.retain(|&(time, channel)| {
                let kept = last.get(&channel).is_none_or(|&last| time - last >= gap);
                if kept {
                    last.insert(channel, time);
                }
                kept
            });
        }
        if every > 1 {
            let mut seen: HashMap<u32, u32> = HashMap::new();
            into.retain(|&(_, channel)| {
                // Channels that start together, as after an onset, should not be kept together.
                let (k, n) = (u64::from(channel), u64::from(every));
                let seen = seen.entry(channel).or_insert((k * (n - 1) % n) as u32);
                *seen = (*seen + 1) % every;
                *seen == 0
            });
        }
        Ok(())
    }
}

/// Those that differ, one after the other.
fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut different: Vec<&str> = Vec::new();
    for text in texts.filter(|text| !text.is_empty()) {
        if !different.contains(&text) {
            different.push(text);
        }
    }
    different.join("; ")
}

/// Sets one after the other.
#[derive(Debug)]
struct Joined {
    sets: Vec<Dataset>,
    ends: Vec<usize>,
}

impl Source for Joined {
    fn read(&self, sample: usize, into: &mut Vec<(f64, u32)>) -> Result<(), DataError> {
        let set = self.ends.partition_point(|&end| end <= sample);
        let start = if set == 0 { 0 } else { self.ends[set - 1] };
        self.sets[set].events(sample - start, into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SpikeTrains;

    fn set(channels: [&[f64]; 3], label: usize) -> Dataset {
        let trains = SpikeTrains::from_channels(channels.map(|c| c.to_vec())).unwrap();
        Dataset::from_samples(3, 2, 10.0, [(trains, label)]).unwrap()
    }

    #[test]
    fn channels_are_merged_and_late_events_dropped() {
        let data = set([&[1.0, 5.0], &[1.0], &[4.0]], 0);
        let merged = data.merge_channels(2).unwrap();
        assert_eq!(merged.channels(), 2);
        assert_eq!(merged.spikes(0).unwrap().channel(0), [1.0, 1.0, 5.0]);
        let cut = merged.with_duration(5.0).unwrap();
        assert_eq!(cut.duration(), 5.0);
        assert_eq!(cut.spikes(0).unwrap().events(), [(1.0, 0), (1.0, 0), (4.0, 1)]);
        assert_eq!(cut.in_memory().unwrap().spikes(0), cut.spikes(0));
        assert_eq!(data.merge_channels(usize::MAX).unwrap().spikes(0).unwrap().channel(0).len(), 4);
        assert_eq!(data.with_channels(5).unwrap().spikes(0).unwrap().channels(), 5);
        assert!(data.with_channels(2).is_err());
        let thin = merged.thin(2.0).unwrap().spikes(0).unwrap();
        assert_eq!((thin.channel(0), thin.channel(1)), (&[1.0, 5.0][..], &[4.0][..]));
        assert_eq!(merged.thin(0.0).unwrap().spikes(0), merged.spikes(0));
        assert!(merged.thin(-1.0).is_err() && merged.thin(f64::NAN).is_err());
        let few = data.merge_channels(3).unwrap().every(2).unwrap().spikes(0).unwrap();
        assert_eq!(few.channel(0), [1.0, 5.0]);
        let apart = data.every(2).unwrap().spikes(0).unwrap();
        assert_eq!(apart.events(), [(1.0, 1), (5.0, 0)]);
        assert_eq!(data.every(1).unwrap().spikes(0), data.spikes(0));
        assert!(data.every(0).is_err());
        // Channels that start together are not kept together, whatever the number.
        for n in [2, 3, 7, 8, 14] {
            let events = (0..n).flat_map(|k| (0..n as usize).map(move |c| (f64::from(k), c)));
            let trains = SpikeTrains::from_events(n as usize, events).unwrap();
            let all = Dataset::from_samples(n as usize, 1, 20.0, [(trains, 0)]).unwrap();
            let kept = all.every(n).unwrap().spikes(0).unwrap();
            let mut times: Vec<f64> = kept.times().to_vec();
            times.sort_by(f64::total_cmp);
            assert!(times.iter().copied().eq((0..n).map(f64::from)), "{n}: {times:?}");
        }
        let seconds = data.scale_times(1e-3).unwrap();
        assert_eq!(seconds.duration(), 0.01);
        assert_eq!(seconds.spikes(0).unwrap().channel(0), [0.001, 0.005]);
        assert_eq!(seconds.scale_times(1e3).unwrap().spikes(0), data.spikes(0));
        // All of them too small to be told apart from 0, in the order of channels.
        let none = data.scale_times(f64::MIN_POSITIVE).unwrap().scale_times(1e-300).unwrap();
        assert_eq!(none.spikes(0).unwrap().events(), [(0.0, 0), (0.0, 0), (0.0, 1), (0.0, 2)]);
        for factor in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MAX] {
            assert!(data.scale_times(factor).is_err(), "{factor}");
        }
        assert!(data.merge_channels(0).is_err());
        assert!(data.with_duration(f64::NAN).is_err());
    }

    #[test]
    fn joined_sets_keep_their_samples_and_get_their_parts() {
        let (a, b) =
            (set([&[1.0], &[], &[]], 0), set([&[2.0], &[], &[]], 1).with_channels(4).unwrap());
        let none = a.subset(&[]).unwrap();
        let all = Dataset::join(&[(Part::Train, &a), (Part::Validation, &none), (Part::Test, &b)]);
        let all = all.unwrap();
        assert_eq!((all.len(), all.channels()), (2, 4));
        assert_eq!(all.part(Part::Train).spikes(0).unwrap().channel(0), [1.0]);
        assert_eq!(all.part(Part::Test).spikes(0).unwrap().channel(0), [2.0]);
        assert_eq!(all.part(Part::Test).label(0), 1);
        let of = |source: &str, license: &str| {
            Dataset::builder(1, 1.0).source(source, license).build().unwrap()
        };
        let (a1, b1) = (of("here", "CC0"), of("there", "CC BY-NC"));
        let both = Dataset::join(&[(Part::Train, &a1), (Part::Test, &b1), (Part::Test, &a1)]);
        let both = both.unwrap();
        assert_eq!((both.source(), both.license()), ("here; there", "CC0; CC BY-NC"));
        let other = Dataset::from_samples(3, 3, 1.0, []).unwrap();
        assert!(Dataset::join(&[(Part::Train, &a), (Part::Test, &other)]).is_err());
        assert!(Dataset::join(&[]).is_err());
    }
}
