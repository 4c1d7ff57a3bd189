//! Building a set sample by sample.

use super::dataset::Store;
use super::events::{Channels, Times};
use super::{DataError, Dataset, Part};

/// A [`Dataset`] in the making; see [`Dataset::builder`].
#[derive(Debug)]
pub struct DatasetBuilder {
    store: Store,
    duration: Option<f64>,
    latest: f64,
}

impl DatasetBuilder {
    pub(super) fn new(channels: usize, class_names: Vec<String>) -> Self {
        let store = Store {
            channels,
            duration: 0.0,
            class_names,
            offsets: vec![0],
            times: Times::new(),
            event_channels: Channels::new(channels),
            labels: Vec::new(),
            groups: Vec::new(),
            parts: Vec::new(),
        };
        Self { store, duration: None, latest: 0.0 }
    }

    /// The length of trials in ms; by default the least whole number above all events.
    pub fn duration(mut self, duration: f64) -> Self {
        self.duration = Some(duration);
        self
    }

    /// Appends a sample: events (time in ms, channel) in any order, and the class. Events of one time keep
    /// their order.
    ///
    /// # Errors
    /// A time that is negative or not finite, a channel or a class that is not there. Nothing is added then.
    pub fn push(
        &mut self,
        events: impl IntoIterator<Item = (f64, usize)>,
        label: usize,
    ) -> Result<(), DataError> {
        let sample = self.store.labels.len();
        let classes = self.store.class_names.len();
        if label >= classes {
            let rule = format!("below {classes}, the number of classes");
            return Err(DataError::Sample { sample, what: "label", found: label, rule });
        }
        let channels = self.store.channels;
        let mut sorted: Vec<(f64, usize)> = Vec::new();
        for (event, (time, channel)) in events.into_iter().enumerate() {
            let bad =
                |what, value, rule| Err(DataError::Event { sample, event, what, value, rule });
            if !(time.is_finite() && time >= 0.0) {
                return bad("time in ms", time, "finite and not negative".to_owned());
            }
            if channel >= channels {
                let rule = format!("below {channels}, the number of channels");
                return bad("channel", channel as f64, rule);
            }
            // Adding zero turns -0.0 into 0.0.
            sorted.push((time + 0.0, channel));
        }
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        if let Some(&(last, _)) = sorted.last() {
            self.latest = self.latest.max(last);
        }
        for (time, channel) in sorted {
            self.store.times.push(time);
            self.store.event_channels.push(channel);
        }
        self.store.offsets.push(self.store.times.len());
        self.store.labels.push(label as u32);
        Ok(())
    }

    /// The group of the last sample, such as its speaker. Samples without one are in group 0.
    pub fn group(&mut self, group: u32) {
        let samples = self.store.labels.len();
        if let Some(last) = samples.checked_sub(1) {
            self.store.groups.resize(samples, 0);
            self.store.groups[last] = group;
        }
    }

    /// The part of the last sample. Samples without one are for training.
    pub fn part(&mut self, part: Part) {
        let samples = self.store.labels.len();
        if let Some(last) = samples.checked_sub(1) {
            self.store.parts.resize(samples, Part::Train);
            self.store.parts[last] = part;
        }
    }

    /// The set.
    pub fn build(mut self) -> Dataset {
        let samples = self.store.labels.len();
        if !self.store.groups.is_empty() {
            self.store.groups.resize(samples, 0);
        }
        if !self.store.parts.is_empty() {
            self.store.parts.resize(samples, Part::Train);
        }
        self.store.duration = self.duration.unwrap_or(self.latest.floor() + 1.0);
        Dataset::from_store(self.store)
    }
}
