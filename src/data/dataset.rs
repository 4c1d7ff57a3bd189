//! A set of samples.

use super::{DataError, DatasetBuilder, events::Source};
use crate::SpikeTrains;
use crate::hash::fnv1a;
use crate::parallel::in_order;
use std::{cmp::Ordering, fmt, sync::Arc};

/// What a sample is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Part {
    /// To learn from.
    #[default]
    Train,
    /// To choose settings and the moment to stop by.
    Validation,
    /// To report by, once.
    Test,
}

/// What is known of a sample beside its events.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct About {
    pub label: u32,
    pub group: Option<u32>,
    pub part: Part,
}

/// The order of events within a sample. Events that it holds equal are equal.
pub(crate) fn by_time(a: &(f64, u32), b: &(f64, u32)) -> Ordering {
    // 0 and -0 are one time.
    (a.0 + 0.0).total_cmp(&(b.0 + 0.0)).then(a.1.cmp(&b.1))
}

/// What all samples have in common.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Header {
    pub channels: usize,
    pub class_names: Vec<String>,
    pub duration: f64,
    pub source: String,
    pub license: String,
}

/// What parts and subsets share.
#[derive(Debug)]
pub(crate) struct Store {
    pub header: Header,
    pub about: Vec<About>,
    pub events: Arc<dyn Source>,
}

/// A set of samples: for each its spike trains, a label, and perhaps a group (a speaker, say).
///
/// It is a list of positions over events that are shared, so clones, parts and subsets cost next to
/// nothing. The events lie in memory (6 to 12 bytes each), or stay in their file and are read when
/// asked for. Events of a sample are in the order of time, ties in the order of channels, and equal
/// events are all kept.
///
/// ```
/// use eventprop::{SpikeTrains, data::{Dataset, Part}};
/// let left = SpikeTrains::from_channels([[1.0], [4.0]])?;
/// let right = SpikeTrains::from_channels([[4.0], [1.0]])?;
/// let data = Dataset::from_samples(2, 2, 10.0, [(left.clone(), 0), (right, 1)])?;
/// assert_eq!((data.len(), data.channels(), data.classes(), data.duration()), (2, 2, 2, 10.0));
/// assert_eq!(data.spikes(0)?, left);
/// assert_eq!(data.label(1), 1);
/// assert_eq!(data.subset(&[1, 1])?.len(), 2);
/// assert!(data.part(Part::Test).is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Dataset {
    store: Arc<Store>,
    picks: Arc<[usize]>,
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataset")
            .field("len", &self.len())
            .field("channels", &self.channels())
            .field("classes", &self.classes())
            .field("duration", &self.duration())
            .finish_non_exhaustive()
    }
}

impl Dataset {
    pub(crate) fn new(store: Store) -> Self {
        let picks = (0..store.about.len()).collect();
        Self { store: Arc::new(store), picks }
    }

    /// A builder, for sets in memory: number of channels and duration of every sample in ms. Next it wants
    /// [`classes`](DatasetBuilder::classes) or [`class_names`](DatasetBuilder::class_names).
    pub fn builder(channels: usize, duration: f64) -> DatasetBuilder {
        DatasetBuilder::new(channels, duration)
    }

    /// A set in memory of (spike trains, label) samples, all for training, classes without names.
    ///
    /// # Errors
    /// As [`DatasetBuilder::push`] and [`DatasetBuilder::build`].
    pub fn from_samples(
        channels: usize,
        classes: usize,
        duration: f64,
        samples: impl IntoIterator<Item = (SpikeTrains, usize)>,
    ) -> Result<Self, DataError> {
        let mut builder = Self::builder(channels, duration).classes(classes);
        for (spikes, label) in samples {
            builder.push(&spikes, label)?;
        }
        builder.build()
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.picks.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.picks.is_empty()
    }

    /// The number of channels of every sample.
    pub fn channels(&self) -> usize {
        self.store.header.channels
    }

    /// The number of classes; labels are below it.
    pub fn classes(&self) -> usize {
        self.store.header.class_names.len()
    }

    /// The name of each class.
    pub fn class_names(&self) -> &[String] {
        &self.store.header.class_names
    }

    /// The duration of every sample in ms; no event is later.
    pub fn duration(&self) -> f64 {
        self.store.header.duration
    }

    /// Where the data comes from; empty if nobody said.
    pub fn source(&self) -> &str {
        &self.store.header.source
    }

    /// The licence of the data; empty if nobody said.
    pub fn license(&self) -> &str {
        &self.store.header.license
    }

    /// The class of sample `index`.
    ///
    /// # Panics
    /// If there is no such sample.
    pub fn label(&self, index: usize) -> usize {
        self.about(index).label as usize
    }

    /// The classes of all samples, in order.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        (0..self.len()).map(|index| self.label(index))
    }

    /// The group of sample `index`, such as its speaker.
    ///
    /// # Panics
    /// If there is no such sample.
    pub fn group(&self, index: usize) -> Option<u32> {
        self.about(index).group
    }

    /// What sample `index` is for.
    ///
    /// # Panics
    /// If there is no such sample.
    pub fn part_of(&self, index: usize) -> Part {
        self.about(index).part
    }

    /// The spike trains of sample `index`: [`Dataset::channels`] channels, times in ms up to
    /// [`Dataset::duration`].
    ///
    /// # Errors
    /// There is no such sample; or its events are still in a file, and cannot be read or are not valid.
    pub fn spikes(&self, index: usize) -> Result<SpikeTrains, DataError> {
        let mut events = Vec::new();
        self.events(index, &mut events)?;
        let events = events.into_iter().map(|(t, c)| (t, c as usize));
        SpikeTrains::from_events(self.channels(), events)
            .map_err(|e| DataError::format(format!("sample {index}: {e}")))
    }

    /// The samples at these positions, in this order; a position may come twice.
    ///
    /// # Errors
    /// A position that does not exist.
    pub fn subset(&self, indices: &[usize]) -> Result<Self, DataError> {
        let len = self.len();
        let picks = indices
            .iter()
            .map(|&index| self.picks.get(index).copied().ok_or(DataError::NoSample { index, len }));
        Ok(Self { store: self.store.clone(), picks: picks.collect::<Result<_, _>>()? })
    }

    /// The samples that are for this. Where nobody said what a sample is for, it is for training.
    pub fn part(&self, part: Part) -> Self {
        self.filter(|about| about.part == part)
    }

    pub(crate) fn filter(&self, keep: impl Fn(&About) -> bool) -> Self {
        let keep = |&pick: &usize| keep(&self.store.about[pick]);
        Self { store: self.store.clone(), picks: self.picks.iter().copied().filter(keep).collect() }
    }

    /// A hash of all labels and groups, and of some samples' events: two folds of a set, say, have different ones.
    pub(crate) fn fingerprint(&self) -> u64 {
        const SAMPLES: usize = 16;
        let about = (0..self.len()).map(|index| self.about(index));
        let about = about.flat_map(|a| [Some(a.label), a.group, None]);
        // What cannot be read is told when it is needed.
        let chosen = (0..self.len()).step_by(self.len().div_ceil(SAMPLES).max(1));
        let events = chosen.flat_map(|index| {
            let mut events = Vec::new();
            let _ = self.events(index, &mut events);
            events
        });
        let numbers = about.map(|x| x.map_or(u64::MAX, u64::from));
        let numbers = numbers.chain(events.flat_map(|(t, c)| [t.to_bits(), u64::from(c)]));
        fnv1a(numbers.flat_map(u64::to_le_bytes))
    }

    pub(crate) fn header(&self) -> &Header {
        &self.store.header
    }

    pub(crate) fn about(&self, index: usize) -> &About {
        &self.store.about[self.picks[index]]
    }

    /// The same samples with their events in memory; those of subsets alone, each position on its own. They are read on all
    /// threads of the current `rayon` pool: hold no lock meanwhile that other work of this pool waits for.
    ///
    /// # Errors
    /// Events that cannot be read or are not valid.
    pub fn in_memory(&self) -> Result<Self, DataError> {
        let mut builder = DatasetBuilder::from_header(self.header().clone());
        let read = |index| {
            let mut events = Vec::new();
            self.events(index, &mut events).map(|()| events)
        };
        in_order(self.len(), read, |index, mut events: Vec<_>| {
            builder.push_events(&mut events, *self.about(index))
        })?;
        builder.build()
    }

    /// Replaces `into` by the events of a sample, in the order of time, ties in the order of channels.
    pub(crate) fn events(&self, index: usize, into: &mut Vec<(f64, u32)>) -> Result<(), DataError> {
        into.clear();
        let len = self.len();
        let pick = *self.picks.get(index).ok_or(DataError::NoSample { index, len })?;
        self.store.events.read(pick, into)?;
        if !into.is_sorted_by(|a, b| by_time(a, b).is_le()) {
            into.sort_unstable_by(by_time);
        }
        Ok(())
    }
}
