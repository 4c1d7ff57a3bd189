//! Sets in memory.

use super::{
    DataError, Dataset, Part,
    dataset::{About, Header, Store},
    events::Memory,
};
use crate::SpikeTrains;
use std::sync::Arc;

/// Puts together a [`Dataset`] in memory.
///
/// ```
/// use eventprop::{SpikeTrains, data::{Dataset, Part}};
/// let mut data = Dataset::builder(2, 10.0).class_names(["left", "right"]);
/// data.push(&SpikeTrains::from_channels([[1.0], [4.0]])?, 0)?;
/// data.push(&SpikeTrains::from_channels([[4.0], [1.0]])?, 1)?.part(Part::Test).group(7);
/// let data = data.build()?;
/// assert_eq!(data.part(Part::Test).group(0), Some(7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct DatasetBuilder {
    header: Header,
    about: Vec<About>,
    events: Memory,
    buffer: Vec<(f64, u32)>,
}

impl DatasetBuilder {
    pub(crate) fn new(channels: usize, duration: f64) -> Self {
        Self::from_header(Header { channels, duration, ..Header::default() })
    }

    pub(crate) fn from_header(header: Header) -> Self {
        let events = Memory::new(header.channels);
        Self { header, about: Vec::new(), events, buffer: Vec::new() }
    }

    /// So many classes, named by their numbers. They come before the samples.
    pub fn classes(self, classes: usize) -> Self {
        self.class_names((0..classes).map(|c| c.to_string()))
    }

    /// Classes by their names. They come before the samples.
    pub fn class_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.header.class_names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Where the data comes from, and its licence.
    pub fn source(mut self, source: impl Into<String>, license: impl Into<String>) -> Self {
        self.header.source = source.into();
        self.header.license = license.into();
        self
    }

    /// Adds a sample for training, without a group; what is returned can change both.
    ///
    /// # Errors
    /// Another number of channels than that of the set, an event after the duration, or a label that
    /// is not below the number of classes.
    pub fn push(&mut self, spikes: &SpikeTrains, label: usize) -> Result<Added<'_>, DataError> {
        let (sample, channels) = (self.about.len(), self.header.channels);
        if spikes.channels() != channels {
            return Err(DataError::BadChannels { sample, found: spikes.channels(), channels });
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        for (c, times) in spikes.iter().enumerate() {
            buffer.extend(times.iter().map(|&t| (t, c as u32)));
        }
        let about = About { label: self.label(label as u64)?, ..About::default() };
        let result = self.push_events(&mut buffer, about);
        self.buffer = buffer;
        result?;
        Ok(Added { about: &mut self.about[sample] })
    }

    /// The label, if it names a class.
    pub(crate) fn label(&self, label: u64) -> Result<u32, DataError> {
        let classes = self.header.class_names.len();
        match u32::try_from(label) {
            Ok(small) if (small as usize) < classes => Ok(small),
            _ => Err(DataError::BadLabel { sample: self.about.len(), label, classes }),
        }
    }

    /// Adds a sample, sorting its events.
    pub(crate) fn push_events(
        &mut self,
        events: &mut [(f64, u32)],
        about: About,
    ) -> Result<(), DataError> {
        check_events(events, self.about.len(), &self.header)?;
        self.events.push(events);
        self.about.push(about);
        Ok(())
    }

    /// The set.
    ///
    /// # Errors
    /// A duration that is negative or not finite, more than 2^22 channels, or a label that names none of the classes, if
    /// others took their place after it.
    pub fn build(mut self) -> Result<Dataset, DataError> {
        self.header.check()?;
        let classes = self.header.class_names.len();
        if let Some(sample) = self.about.iter().position(|a| a.label as usize >= classes) {
            let label = u64::from(self.about[sample].label);
            return Err(DataError::BadLabel { sample, label, classes });
        }
        self.events.shrink();
        let Self { header, about, events, .. } = self;
        Ok(Dataset::new(Store { header, about, events: Arc::new(events) }))
    }
}

/// Enough for two polarities of a large event camera. Spike trains keep a number per channel, so a file
/// that merely claims to have many must not decide how much memory a sample takes.
pub(crate) const MAX_CHANNELS: usize = 1 << 22;

/// Classes that have no names in their file; a single large label must not make names for millions of them.
pub(crate) const MAX_NUMBERED_CLASSES: u64 = 1 << 16;

impl Header {
    pub(crate) fn check(&self) -> Result<(), DataError> {
        let rule = "it must be a finite number of ms, not negative";
        if !(self.duration.is_finite() && self.duration >= 0.0) {
            return Err(DataError::setting("duration", self.duration, rule));
        }
        if self.channels > MAX_CHANNELS {
            return Err(DataError::setting("channels", self.channels, "at most 2^22 are possible"));
        }
        Ok(())
    }
}

/// The first event that is not within duration and channels is an error.
pub(crate) fn check_events(
    events: &[(f64, u32)],
    sample: usize,
    header: &Header,
) -> Result<(), DataError> {
    let &Header { channels, duration, .. } = header;
    for (event, &(time, channel)) in events.iter().enumerate() {
        // NaN is not within either.
        if !(0.0..=duration).contains(&time) || !time.is_finite() {
            return Err(DataError::BadTime { sample, event, time, duration });
        }
        if channel as usize >= channels {
            let channel = u64::from(channel);
            return Err(DataError::BadChannel { sample, event, channel, channels });
        }
    }
    Ok(())
}

/// A sample that was just added.
#[derive(Debug)]
pub struct Added<'a> {
    about: &'a mut About,
}

impl Added<'_> {
    /// What the sample is for.
    pub fn part(self, part: Part) -> Self {
        self.about.part = part;
        self
    }

    /// The group of the sample, such as its speaker.
    pub fn group(self, group: u32) -> Self {
        self.about.group = Some(group);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_by_sample_and_event() {
        let trains =
            |times: [f64; 2]| SpikeTrains::from_channels([times.to_vec(), vec![]]).unwrap();
        let mut set = Dataset::builder(2, 10.0).classes(2);
        set.push(&trains([1.0, 10.0]), 0).unwrap();
        let late = set.push(&trains([1.0, 10.5]), 0).unwrap_err();
        assert_eq!(late, DataError::BadTime { sample: 1, event: 1, time: 10.5, duration: 10.0 });
        let label = set.push(&trains([1.0, 2.0]), 2).unwrap_err();
        assert_eq!(label, DataError::BadLabel { sample: 1, label: 2, classes: 2 });
        let narrow = set.push(&SpikeTrains::silent(1), 0).unwrap_err();
        assert_eq!(narrow, DataError::BadChannels { sample: 1, found: 1, channels: 2 });
        assert_eq!(set.build().unwrap().len(), 1);
        for duration in [f64::NAN, f64::INFINITY, -1.0] {
            let refused = Dataset::builder(2, duration).build();
            assert!(matches!(refused, Err(DataError::BadSetting { what: "duration", .. })));
        }
        assert!(Dataset::builder(MAX_CHANNELS + 1, 1.0).build().is_err());
        // Classes that are given after the samples.
        let mut set = Dataset::builder(2, 10.0).classes(5);
        set.push(&trains([1.0, 2.0]), 1).unwrap();
        set.push(&trains([1.0, 2.0]), 4).unwrap();
        let few = set.class_names(["a", "b"]).build().unwrap_err();
        assert_eq!(few, DataError::BadLabel { sample: 1, label: 4, classes: 2 });
    }
}
