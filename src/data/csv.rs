//! Events in text files.

use super::{
    DataError, Dataset, DatasetBuilder,
    build::{MAX_CHANNELS, MAX_NUMBERED_CLASSES},
    dataset::About,
};
use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

impl Dataset {
    /// Reads events from a text file with one `sample,channel,time` per line (numbers from 0, times in ms), in any
    /// order, and labels from another with one `sample,label` or `sample,label,group` per line. Every sample has
    /// one line there, with events or without. A first line with these names is a heading; empty lines and those that begin
    /// with # are skipped. There are as many channels and classes as the
    /// highest number needs ([`Dataset::with_channels`] and [`Dataset::name_classes`] make them more); the duration is the least number of
    /// three digits above all events ([`Dataset::with_duration`] sets another). For times in other units see [`Dataset::scale_times`].
    ///
    /// Without a file of labels all samples are of one class, and each must have an event.
    ///
    /// ```no_run
    /// use eventprop::data::Dataset;
    /// use std::path::Path;
    /// let labelled = Dataset::read_csv("events.csv", Some(Path::new("labels.csv")))?;
    /// let unlabelled = Dataset::read_csv("events.csv", None)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A file that cannot be read, or a line (counted from 1) that is not as above.
    pub fn read_csv(events: impl AsRef<Path>, labels: Option<&Path>) -> Result<Self, DataError> {
        let path = events.as_ref();
        let about =
            labels.map(|path| read_labels(path).map_err(|e| e.in_file(path))).transpose()?;
        read(path, about).map_err(|e| e.in_file(path))
    }
}

fn read(path: &Path, about: Option<Vec<About>>) -> Result<Dataset, DataError> {
    let mut events: Vec<(u64, f64, u32)> = Vec::new();
    let (mut channels, mut latest) = (0, 0.0_f64);
    each_line(path, &["sample", "channel", "time"], |line, fields| {
        let layout = "sample,channel,time";
        let [sample, channel, time] = fields else { return Err(wrong(line, layout, fields)) };
        let sample = number((line, layout), "sample", sample)?;
        let channel = number((line, layout), "channel", channel)?;
        if channel >= MAX_CHANNELS as u64 {
            return Err(bad(line, &format!("channel {channel}, but at most 2^22 are possible")));
        }
        let is_none = |_| bad(line, &format!("time {time:?} is not a number of ms"));
        let time: f64 = time.parse().map_err(is_none)?;
        if !(time.is_finite() && time >= 0.0) {
            return Err(bad(line, &format!("time {time}, but it must be finite, not negative")));
        }
        channels = channels.max(channel as usize + 1);
        latest = latest.max(time);
        events.push((sample, time, channel as u32));
        Ok(())
    })?;
    events.sort_by_key(|event| event.0);

    let about = match about {
        Some(about) => about,
        None => {
            // Each sample up to the last has an event, so there are no more of them than lines.
            let mut samples = 0;
            for &(sample, ..) in &events {
                if sample > samples {
                    let what = format!("sample {samples} has no event: give a file of labels");
                    return Err(DataError::format(what));
                }
                samples = sample + 1;
            }
            vec![About::default(); samples as usize]
        }
    };
    let classes = about.iter().map(|a| a.label as usize + 1).max().unwrap_or(0);
    let mut builder = DatasetBuilder::new(channels, above(latest)).classes(classes);
    let mut rest = &events[..];
    for (sample, about) in about.iter().enumerate() {
        let own = rest.partition_point(|event| event.0 == sample as u64);
        let mut own_events: Vec<_> = rest[..own].iter().map(|&(_, t, c)| (t, c)).collect();
        builder.push_events(&mut own_events, *about)?;
        rest = &rest[own..];
    }
    if let Some(&(sample, ..)) = rest.first() {
        let what = format!("sample {sample} has events, but no line in the file of labels");
        return Err(DataError::format(what));
    }
    builder.build()
}

/// The least number of three significant digits above this one: in any unit the same share of it.
fn above(time: f64) -> f64 {
    if time < 1e-100 {
        return 1.0;
    }
    // Of the last of three digits. To divide by a power of ten is exact to the last bit, to multiply by its inverse is not.
    let place = time.log10().floor() as i32 - 2;
    let (up, down) = (10_f64.powi(place.max(0)), 10_f64.powi((-place).max(0)));
    let steps = (time / up * down).floor();
    // Where the quotient was rounded to a whole number, the next one may be no more than the time.
    let ends = (0..=2).map(|k| (steps + f64::from(k)) * up / down);
    ends.fold(f64::INFINITY, |least, end| if end > time { least.min(end) } else { least })
}

fn read_labels(path: &Path) -> Result<Vec<About>, DataError> {
    let mut labels = Vec::new();
    each_line(path, &["sample", "label", "group"], |line, fields| {
        let layout = "sample,label or sample,label,group";
        let (sample, label, group) = match *fields {
            [sample, label] => (sample, label, None),
            [sample, label, group] => (sample, label, Some(group)),
            _ => return Err(wrong(line, layout, fields)),
        };
        let small = |what, text| {
            let value = number((line, layout), what, text)?;
            u32::try_from(value).map_err(|_| bad(line, &format!("{what} {value} is too large")))
        };
        let group = group.map(|group| small("group", group)).transpose()?;
        let about = About { label: small("label", label)?, group, ..About::default() };
        labels.push((number((line, layout), "sample", sample)?, about));
        Ok(())
    })?;
    labels.sort_by_key(|label| label.0);
    for (expected, &(sample, about)) in labels.iter().enumerate() {
        if sample != expected as u64 {
            let what = format!(
                "samples must be numbered from 0, each once: {expected} is missing or {sample} comes twice"
            );
            return Err(DataError::format(what));
        }
        if u64::from(about.label) >= MAX_NUMBERED_CLASSES {
            let (label, most) = (about.label, MAX_NUMBERED_CLASSES - 1);
            return Err(DataError::format(format!(
                "sample {expected}: label {label}, but labels of text files go up to {most}"
            )));
        }
    }
    Ok(labels.into_iter().map(|(_, about)| about).collect())
}

fn bad(line: usize, what: &str) -> DataError {
    DataError::format(format!("line {line}: {what}"))
}

/// A line with other fields.
fn wrong(line: usize, expected: &str, fields: &[&str]) -> DataError {
    let found: String = fields.join(",").chars().take(40).collect();
    bad(line, &format!("it must be {expected}, but has {} fields: {found:?}", fields.len()))
}

/// A number in a line of some layout.
fn number((line, layout): (usize, &str), what: &str, text: &str) -> Result<u64, DataError> {
    text.parse().map_err(|_| {
        bad(line, &format!("{what} {text:?} is not a number from 0; a line is {layout}"))
    })
}

/// Calls `take` with each line's number, from 1, and its fields. A heading has these names.
fn each_line(
    path: &Path,
    names: &[&str],
    mut take: impl FnMut(usize, &[&str]) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let mut reader = BufReader::new(File::open(path)?);
    let (mut text, mut line, mut first) = (String::new(), 0, true);
    while reader.read_line(&mut text)? > 0 {
        line += 1;
        // Some programs mark the start of a text file.
        let text_of_line = text.trim_start_matches('\u{feff}').trim();
        let fields: Vec<&str> = text_of_line.split(',').map(str::trim).collect();
        if !(text_of_line.is_empty() || text_of_line.starts_with('#')) {
            let unquoted = fields.iter().map(|field| field.trim_matches(['"', '\'']));
            let is_name = |field: &str| field.parse::<f64>().is_err();
            let is_heading = fields.len() > 1 && unquoted.clone().all(is_name);
            if !(std::mem::take(&mut first) && is_heading) {
                take(line, &fields)?;
            } else if !unquoted.zip(names).all(|(found, name)| found.eq_ignore_ascii_case(name)) {
                let (found, expected) = (fields.join(","), names.join(","));
                let what = format!(
                    "the columns are {found}, but must be {expected}; so named, or without a heading"
                );
                return Err(bad(line, &what));
            }
        }
        text.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::above;

    #[test]
    fn durations_are_above_the_last_event_by_a_share_of_it() {
        for (time, end) in
            [(0.0, 1.0), (3.5, 3.51), (30.0, 30.1), (999.7, 1000.0), (1400.2, 1410.0)]
        {
            for unit in [1.0, 1e-3] {
                let (time, end) = if time == 0.0 { (time, end) } else { (time * unit, end * unit) };
                assert!((above(time) / end - 1.0).abs() < 1e-12, "{time}: {}", above(time));
            }
        }
        assert_eq!([3.5, 0.03, 812.3, 2e-5].map(above), [3.51, 0.0301, 813.0, 2.01e-5]);
        let mut time = 1e-99;
        while time < f64::MAX / 2.0 {
            assert!(
                above(time) > time && above(time) <= time * 1.0101,
                "{time:e}: {:e}",
                above(time)
            );
            time *= 1.37;
        }
    }
}
