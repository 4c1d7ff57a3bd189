//! A set of samples.

use super::events::{Channels, Times};
use super::{DataError, DatasetBuilder};
use crate::SpikeTrains;
use std::sync::Arc;

/// Which part of a set that comes split a sample belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// For training.
    Train,
    /// For decisions: early stop, choice of settings.
    Validation,
    /// For the result.
    Test,
}

/// What the samples of a set share.
#[derive(Debug)]
pub(super) struct Store {
    pub channels: usize,
    pub duration: f64,
    pub class_names: Vec<String>,
    /// The events of sample k are `offsets[k]..offsets[k + 1]`.
    pub offsets: Vec<usize>,
    pub times: Times,
    pub event_channels: Channels,
    pub labels: Vec<u32>,
    /// One per sample, or none at all.
    pub groups: Vec<u32>,
    pub parts: Vec<Part>,
}

/// A set of samples: events, a label each, and a group such as the speaker where there is one.
///
/// It is a list of samples of which the events are shared: parts, subsets and clones cost next to nothing.
/// Times are kept in single precision if that loses nothing.
///
/// ```
/// use eventprop::data::Dataset;
/// let mut set = Dataset::builder(3, ["low", "high"]);
/// set.push([(1.0, 0), (2.5, 1)], 0)?;
/// set.push([(4.0, 2)], 1)?;
/// let set = set.build();
/// assert_eq!((set.len(), set.classes(), set.channels()), (2, 2, 3));
/// assert_eq!(set.spikes(0)?.channel(1), [2.5]);
/// assert_eq!(set.label(1), 1);
/// # Ok::<(), eventprop::data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Dataset {
    store: Arc<Store>,
    /// The samples of the store, or `None` for all.
    picked: Option<Arc<[u32]>>,
}

impl Dataset {
    /// Starts an empty set with so many channels and these classes.
    pub fn builder<S: Into<String>>(
        channels: usize,
        classes: impl IntoIterator<Item = S>,
    ) -> DatasetBuilder {
        DatasetBuilder::new(channels, classes.into_iter().map(Into::into).collect())
    }

    pub(super) fn from_store(store: Store) -> Self {
        Self { store: Arc::new(store), picked: None }
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.picked.as_ref().map_or(self.store.labels.len(), |picked| picked.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of channels.
    pub fn channels(&self) -> usize {
        self.store.channels
    }

    /// The number of classes, those without samples included.
    pub fn classes(&self) -> usize {
        self.store.class_names.len()
    }

    /// The name of each class.
    pub fn class_names(&self) -> &[String] {
        &self.store.class_names
    }

    /// The length in ms of a trial that holds every event of the whole set.
    pub fn duration(&self) -> f64 {
        self.store.duration
    }

    /// Where a sample is in the store.
    fn place(&self, index: usize) -> usize {
        self.picked.as_ref().map_or(index, |picked| picked[index] as usize)
    }

    /// The class of a sample.
    ///
    /// # Panics
    /// If there is no such sample.
    pub fn label(&self, index: usize) -> usize {
        self.store.labels[self.place(index)] as usize
    }

    /// The group of a sample, such as its speaker, if the set has groups.
    ///
    /// # Panics
    /// If there is no such sample.
    pub fn group(&self, index: usize) -> Option<usize> {
        let place = self.place(index);
        (!self.store.groups.is_empty()).then(|| self.store.groups[place] as usize)
    }

    /// The number of events of a sample.
    ///
    /// # Panics
    /// If there is no such sample.
    pub fn events(&self, index: usize) -> usize {
        let place = self.place(index);
        self.store.offsets[place + 1] - self.store.offsets[place]
    }

    /// The events of a sample as spike trains, one per channel.
    ///
    /// # Errors
    /// No such sample.
    pub fn spikes(&self, index: usize) -> Result<SpikeTrains, DataError> {
        if index >= self.len() {
            return Err(DataError::NoSuchSample { index, len: self.len() });
        }
        let Store { channels, offsets, times, event_channels, .. } = &*self.store;
        let place = self.place(index);
        let events = offsets[place]..offsets[place + 1];
        // Counted, then placed: events ascend, so those of a channel do.
        let mut starts = vec![0; channels + 1];
        events.clone().for_each(|k| starts[event_channels.get(k) + 1] += 1);
        for channel in 0..*channels {
            starts[channel + 1] += starts[channel];
        }
        let mut sorted = vec![0.0; events.len()];
        let mut next = starts.clone();
        for k in events {
            let at = &mut next[event_channels.get(k)];
            sorted[*at] = times.get(k);
            *at += 1;
        }
        Ok(SpikeTrains::from_csr(starts, sorted)?)
    }

    /// These samples, in this order; one may come more than once.
    ///
    /// # Errors
    /// A sample that is not there.
    pub fn subset(&self, indices: &[usize]) -> Result<Self, DataError> {
        let len = self.len();
        if let Some(&index) = indices.iter().find(|&&index| index >= len) {
            return Err(DataError::NoSuchSample { index, len });
        }
        let picked = indices.iter().map(|&index| self.place(index) as u32).collect();
        Ok(Self { store: self.store.clone(), picked: Some(picked) })
    }

    /// The samples of one part, if the set came split; otherwise none.
    pub fn part(&self, part: Part) -> Self {
        let chosen = |&index: &usize| self.store.parts.get(self.place(index)) == Some(&part);
        let picked = (0..self.len()).filter(chosen).map(|index| self.place(index) as u32).collect();
        Self { store: self.store.clone(), picked: Some(picked) }
    }
}
