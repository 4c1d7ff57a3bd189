//! The Yin-Yang data set.

use super::{DataError, Dataset};
use crate::SpikeTrains;
use rand::{Rng, RngExt};

/// A point of the plane in [0, 1] x [0, 1] and its class: 0 yin, 1 yang, 2 one of the dots.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct YinYangPoint {
    /// Across.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// 0 yin, 1 yang, 2 dot.
    pub class: usize,
}

/// The Yin-Yang data set (Kriener, Göltz, Petrovici 2022): a disc cut by the yin-yang line, with two
/// dots. It is small, and out of reach of a linear classifier.
///
/// ```
/// use eventprop::data::YinYang;
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
/// let points = YinYang::default().sample(300, &mut ChaCha8Rng::seed_from_u64(1));
/// let input = YinYang::spikes(&points[0]);
/// assert_eq!((points.len(), input.channels(), input.len()), (300, 4, 4));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct YinYang {
    r_small: f64,
    r_big: f64,
}

impl Default for YinYang {
    /// The published radii: 0.1 for the dots, 0.5 for the disc.
    fn default() -> Self {
        Self { r_small: 0.1, r_big: 0.5 }
    }
}

impl YinYang {
    /// The number of input channels: x, y, 1 - x, 1 - y.
    pub const CHANNELS: usize = 4;
    /// The number of classes.
    pub const CLASSES: usize = 3;

    /// Draws `n` points, classes in turn, uniform within each class.
    pub fn sample(&self, n: usize, rng: &mut impl Rng) -> Vec<YinYangPoint> {
        (0..n)
            .map(|k| {
                let goal = k % Self::CLASSES;
                loop {
                    let x = rng.random::<f64>() * 2.0 * self.r_big;
                    let y = rng.random::<f64>() * 2.0 * self.r_big;
                    if self.classify(x, y) == Some(goal) {
                        break YinYangPoint { x, y, class: goal };
                    }
                }
            })
            .collect()
    }

    /// Points as a set of samples of so many ms (at least 20, when the last spike can come), in order.
    ///
    /// # Errors
    /// A duration below 20 ms or not finite, or points outside of the unit square.
    pub fn dataset(points: &[YinYangPoint], duration: f64) -> Result<Dataset, DataError> {
        if !(20.0..f64::INFINITY).contains(&duration) {
            return Err(DataError::setting(
                "duration",
                duration,
                "it must be a finite number of ms, and spikes come up to 20",
            ));
        }
        let within = |x: f64| (0.0..=1.0).contains(&x);
        if let Some(k) = points.iter().position(|p| !(within(p.x) && within(p.y))) {
            let value = format!("{k}, ({}, {}),", points[k].x, points[k].y);
            return Err(DataError::setting("point", value, "it must lie in [0, 1] x [0, 1]"));
        }
        let samples = points.iter().map(|point| (Self::spikes(point), point.class));
        Dataset::from_samples(Self::CHANNELS, Self::CLASSES, duration, samples)
    }

    /// The class of a point; `None` outside of the disc.
    pub fn classify(&self, x: f64, y: f64) -> Option<usize> {
        let Self { r_small, r_big } = *self;
        // What is no number is not within either.
        if !(0.0..=r_big).contains(&(x - r_big).hypot(y - r_big)) {
            return None;
        }
        let to_right = (x - 1.5 * r_big).hypot(y - r_big);
        let to_left = (x - 0.5 * r_big).hypot(y - r_big);
        if to_right < r_small || to_left < r_small {
            return Some(2);
        }
        let in_right_eye = to_right <= 0.5 * r_big;
        let in_left_eye = to_left <= 0.5 * r_big;
        // The upper half, with the right lobe taken off and the left one added.
        let yin = in_left_eye || (y > r_big && !in_right_eye);
        Some(usize::from(!yin))
    }

    /// The point as spikes, one per channel: t = 1.5 + 18.5 v ms for v = x, y, 1 - x, 1 - y.
    ///
    /// # Panics
    /// If it lies so far outside of the unit square that a time is negative or not finite.
    pub fn spikes(point: &YinYangPoint) -> SpikeTrains {
        let values = [point.x, point.y, 1.0 - point.x, 1.0 - point.y];
        SpikeTrains::from_channels(values.map(|v| [1.5 + 18.5 * v]))
            .expect("values in [0, 1] give finite times")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::ChaCha8Rng};

    #[test]
    fn classes_are_balanced_and_right() {
        let yin_yang = YinYang::default();
        let points = yin_yang.sample(3000, &mut ChaCha8Rng::seed_from_u64(7));
        for class in 0..3 {
            assert_eq!(points.iter().filter(|p| p.class == class).count(), 1000);
        }
        assert!(points.iter().all(|p| yin_yang.classify(p.x, p.y) == Some(p.class)));
        assert_eq!(yin_yang.classify(0.0, 0.0), None);
        assert_eq!(yin_yang.classify(f64::NAN, 0.5), None);
        assert_eq!(yin_yang.classify(0.25, 0.5), Some(2));
        assert_eq!(yin_yang.classify(0.75, 0.55), Some(2));
        assert_eq!(yin_yang.classify(0.5, 0.9), Some(0));
        assert_eq!(yin_yang.classify(0.5, 0.1), Some(1));
        assert_eq!(yin_yang.classify(0.25, 0.35), Some(0));
        assert_eq!(yin_yang.classify(0.75, 0.65), Some(1));
    }

    #[test]
    fn the_two_halves_are_rotations_of_each_other() {
        let yin_yang = YinYang::default();
        for p in yin_yang.sample(500, &mut ChaCha8Rng::seed_from_u64(8)) {
            let turned = yin_yang.classify(1.0 - p.x, 1.0 - p.y).unwrap();
            assert_eq!(turned, [1, 0, 2][p.class]);
        }
    }

    #[test]
    fn seeded_points_do_not_change() {
        let points = YinYang::default().sample(2, &mut ChaCha8Rng::seed_from_u64(1));
        let again = YinYang::default().sample(2, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(points, again);
        assert_eq!((points[0].class, points[1].class), (0, 1));
    }

    #[test]
    fn points_make_a_set() {
        let points = YinYang::default().sample(30, &mut ChaCha8Rng::seed_from_u64(2));
        let data = YinYang::dataset(&points, 30.0).unwrap();
        assert_eq!((data.len(), data.channels(), data.classes()), (30, 4, 3));
        assert_eq!(data.spikes(7).unwrap(), YinYang::spikes(&points[7]));
        for x in [-0.5, f64::NAN, 1.5] {
            let bad = [points[0], YinYangPoint { x, ..points[1] }];
            let error = YinYang::dataset(&bad, 60.0).unwrap_err().to_string();
            assert!(error.contains("point") && error.contains("1, ("), "{error}");
        }
        for duration in [19.0, f64::NAN, f64::INFINITY] {
            let refused = YinYang::dataset(&points, duration);
            assert!(matches!(refused, Err(DataError::BadSetting { .. })));
        }
    }
}
