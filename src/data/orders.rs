//! Generated tasks in which the order of spikes, or their distance, is all there is to learn.

use super::{DataError, Dataset, dataset::About};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

impl Dataset {
    /// Sequence detection: each class is an order of the channels, which fire once each, one `interval` (ms) after
    /// the other from 0 on. One sample per class. Class names are the orders.
    ///
    /// The task of Mészáros et al. (2025) is `sequences(&[&[0, 1], &[1, 0]], 10.0)`.
    ///
    /// ```
    /// use eventprop::data::Dataset;
    /// let data = Dataset::sequences(&[&[0, 1, 2], &[2, 0, 1]], 5.0)?;
    /// assert_eq!(data.spikes(1)?.channel(0), [5.0]);
    /// assert_eq!(data.class_names()[1], "2 0 1");
    /// # Ok::<(), eventprop::data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// No orders, orders that are no orders of the same channels, or an interval that is not a number from 0 on.
    pub fn sequences(orders: &[&[usize]], interval: f64) -> Result<Self, DataError> {
        if !(interval.is_finite() && interval >= 0.0) {
            let rule = "it must be a finite number of ms, not negative";
            return Err(DataError::setting("interval", interval, rule));
        }
        let Some(channels) = orders.first().map(|order| order.len()) else {
            return Err(DataError::format("there are no orders"));
        };
        let names = orders.iter().map(|order| {
            let names: Vec<String> = order.iter().map(ToString::to_string).collect();
            names.join(" ")
        });
        let duration = interval * channels as f64;
        let mut data = Self::builder(channels, duration).class_names(names);
        for (class, order) in orders.iter().enumerate() {
            let mut places = vec![None; channels];
            for (place, &channel) in order.iter().enumerate() {
                if let Some(free) = places.get_mut(channel).filter(|p| p.is_none()) {
                    *free = Some(place as f64 * interval);
                }
            }
            if order.len() != channels || places.iter().any(Option::is_none) || channels == 0 {
                let what = format!("order {class}, {order:?}, is none of 0 to {channels} - 1");
                return Err(DataError::format(what));
            }
            let mut events: Vec<(f64, u32)> = places.into_iter().flatten().zip(0..).collect();
            let label = data.label(class as u64)?;
            data.push_events(&mut events, About { label, ..About::default() })?;
        }
        data.build()
    }

    /// The long-delay task: two channels fire once each, and the class is which of them leads and by which of the lags
    /// (ms): twice as many classes as lags. The first spike comes anywhere in the first 100 ms, and lags vary by 1 ms to
    /// both sides. With lags far above all time constants a network without delays cannot tell them apart: its neurons
    /// have forgotten the first spike when the second one comes.
    ///
    /// `samples` of them, classes in turn. Class names are such as "0 by 40" for channel 0 leading by 40 ms.
    ///
    /// ```
    /// use eventprop::data::Dataset;
    /// let data = Dataset::long_delays(6, &[40.0, 80.0, 120.0], 1)?;
    /// assert_eq!((data.classes(), data.channels()), (6, 2));
    /// assert_eq!(data.class_names()[3], "1 by 80");
    /// let spikes = data.spikes(3)?;
    /// assert!((spikes.channel(0)[0] - spikes.channel(1)[0] - 80.0).abs() <= 1.0);
    /// # Ok::<(), eventprop::data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// No lags, or one that is not a number above 1 ms.
    pub fn long_delays(samples: usize, lags: &[f64], seed: u64) -> Result<Self, DataError> {
        if lags.is_empty() {
            return Err(DataError::setting("number of lags", 0, "it must be at least 1"));
        }
        if let Some(lag) = lags.iter().find(|lag| !(lag.is_finite() && **lag > VARIATION)) {
            return Err(DataError::setting("lag", lag, "it must be a number above 1 ms"));
        }
        let longest = lags.iter().copied().fold(0.0, f64::max);
        let names = lags.iter().flat_map(|lag| [format!("0 by {lag}"), format!("1 by {lag}")]);
        let duration = (STARTS + longest + VARIATION).ceil();
        let mut data = Self::builder(2, duration).class_names(names);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for sample in 0..samples {
            let class = sample % (2 * lags.len());
            let first = rng.random_range(0.0..STARTS);
            let second = first + lags[class / 2] + rng.random_range(-VARIATION..VARIATION);
            let leader = (class % 2) as u32;
            let label = data.label(class as u64)?;
            let about = About { label, ..About::default() };
            data.push_events(&mut [(first, leader), (second, 1 - leader)], about)?;
        }
        data.build()
    }
}

/// The first spike of a sample of [`Dataset::long_delays`] comes before this time in ms.
const STARTS: f64 = 100.0;
/// How far lags vary, in ms.
const VARIATION: f64 = 1.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_must_be_orders() {
        let paper = Dataset::sequences(&[&[0, 1], &[1, 0]], 10.0).unwrap();
        assert_eq!(paper.spikes(0).unwrap().events(), [(0.0, 0), (10.0, 1)]);
        assert_eq!(paper.spikes(1).unwrap().events(), [(0.0, 1), (10.0, 0)]);
        for bad in
            [&[&[0, 1][..], &[0, 0][..]], &[&[0, 1][..], &[0][..]], &[&[0, 2][..], &[1, 0][..]]]
        {
            assert!(matches!(Dataset::sequences(bad, 1.0), Err(DataError::Format { .. })));
        }
        assert!(Dataset::sequences(&[&[]], 1.0).is_err());
        assert!(Dataset::sequences(&[], 1.0).is_err());
        assert!(Dataset::sequences(&[&[0]], f64::NAN).is_err());
    }

    #[test]
    fn long_delays_are_balanced_and_seeded() {
        let lags = [40.0, 60.0];
        let data = Dataset::long_delays(40, &lags, 3).unwrap();
        for k in 0..40 {
            let spikes = data.spikes(k).unwrap();
            let lead = spikes.channel(1)[0] - spikes.channel(0)[0];
            let sign = if data.label(k) % 2 == 0 { 1.0 } else { -1.0 };
            assert!((sign * lead - lags[data.label(k) / 2]).abs() <= 1.0);
        }
        assert_eq!((0..40).filter(|&k| data.label(k) == 3).count(), 10);
        let again = Dataset::long_delays(40, &lags, 3).unwrap();
        assert_eq!(data.spikes(39), again.spikes(39));
        assert_ne!(data.spikes(39), Dataset::long_delays(40, &lags, 4).unwrap().spikes(39));
        assert!(Dataset::long_delays(1, &[], 1).is_err());
        assert!(Dataset::long_delays(1, &[0.5], 1).is_err());
    }
}
