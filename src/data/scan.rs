//! Files that do not say how many channels and how much time they span.

use super::{
    DataError, Dataset,
    build::{MAX_CHANNELS, check_events},
    dataset::{About, Header, Store},
    events::Source,
};
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
    let mut buffer = Vec::new();
    let mut latest = 0.0_f64;
    for sample in 0..about.len() {
        buffer.clear();
        events.read(sample, &mut buffer)?;
        for &(time, channel) in &buffer {
            latest = latest.max(time);
            header.channels = header.channels.max(channel as usize + 1);
        }
    }
    header.duration = latest.floor() + 1.0;
    header.check()?;
    events.limits = header.clone();
    Ok(Dataset::new(Store { header, about, events: Arc::new(events) }))
}
