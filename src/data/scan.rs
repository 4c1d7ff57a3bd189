//! Files that do not say how many channels and how much time they span.

use super::{
    DataError, Dataset,
    build::{MAX_CHANNELS, check_events},
    dataset::{About, Header, Store},
    events::Source,
};
use crate::parallel::in_order;
use std::sync::Arc;

/// Events in files that may change after they were opened, so each time they are read they are checked.
#[derive(Debug)]
struct Scanned {
    events: Arc<dyn Source>,
    limits: Header,
}

impl Source for Scanned {
    fn read(&self, sample: usize, into: &mut Vec<(f64, u32)>) -> Result<(), DataError> {
        self.events.read(sample, into)?;
        check_events(into, sample, &self.limits)
    }
}

/// A set of events that stay where they are and that `events` does not check. All of them are read once: the set has the
/// channels up to the highest that occurs, or those of `header` if they are more, and lasts for the least whole number
/// of ms above all events.
pub(super) fn scan(
    events: Arc<dyn Source>,
    about: Vec<About>,
    mut header: Header,
) -> Result<Dataset, DataError> {
    let limits = Header { channels: MAX_CHANNELS, duration: f64::INFINITY, ..Header::default() };
    let mut events = Scanned { events, limits };
    let span = |sample| -> Result<_, DataError> {
        let mut all = Vec::new();
        events.read(sample, &mut all)?;
        let within = |(latest, channels): (f64, usize), &(time, channel): &(f64, u32)| {
            (latest.max(time), channels.max(channel as usize + 1))
        };
        Ok(all.iter().fold((0.0, 0), within))
    };
    let mut duration = 0.0_f64;
    in_order(about.len(), span, |_, (latest, channels)| {
        duration = duration.max(latest);
        header.channels = header.channels.max(channels);
        Ok(())
    })?;
    header.duration = duration.floor() + 1.0;
    header.check()?;
    events.limits = header.clone();
    Ok(Dataset::new(Store { header, about, events: Arc::new(events) }))
}
