//! Axes: ranges that are never degenerate, and round ticks, of which there are always few.

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use std::ops::Range;

/// One axis: its name, its range, and where it has labels.
#[derive(Debug, Clone)]
pub(super) struct Scale {
    pub name: String,
    pub range: Range<f64>,
    pub ticks: Vec<(f64, String)>,
}

/// The least and the greatest of the finite values, if there are any.
pub(super) fn extent(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|v| v.is_finite()).fold(None, |found, v| match found {
        None => Some((v, v)),
        Some((low, high)) => Some((v.min(low), v.max(high))),
    })
}

/// A range in which numbers can be told apart, whatever is asked for.
fn sane(low: f64, high: f64) -> (f64, f64) {
    let clamp = |v: f64| if v.is_finite() { v.clamp(-1e300, 1e300) } else { 0.0 };
    let (low, high) = (clamp(low), clamp(high));
    let size = low.abs().max(high.abs());
    if high - low > (1e-9 * size).max(1e-290) {
        return (low, high);
    }
    let pad = if size > 1e-290 { 0.1 * size } else { 1.0 };
    (low.min(high) - pad, low.max(high) + pad)
}

impl Scale {
    /// 0 to 1 without labels.
    pub fn bare() -> Self {
        Self { name: String::new(), range: 0.0..1.0, ticks: vec![] }
    }

    /// Steps of 1 with these labels.
    pub fn categories(name: &str, labels: &[String]) -> Self {
        let ticks = labels.iter().enumerate().map(|(k, l)| (k as f64, l.clone())).collect();
        Self { name: name.into(), range: -0.5..labels.len().max(1) as f64 - 0.5, ticks }
    }

    /// About `count` round steps, or more if there were less than two labels.
    pub fn linear(name: &str, range: Range<f64>, count: f64) -> Self {
        let (low, high) = sane(range.start, range.end);
        let raw = (high - low) / count.clamp(1.0, 20.0);
        let power = 10f64.powf(raw.log10().floor());
        let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * power >= raw);
        let step = power * factor.unwrap_or(10.0);
        let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
        // Few steps may all lie beside the range.
        if last - first < 1.0 && count < 20.0 {
            return Self::linear(name, low..high, 2.0 * count.max(1.0));
        }
        let ticks = (0..(last - first + 1.0) as usize)
            .map(|k| (first + k as f64) * step)
            .map(|at| (at, label(at, step)))
            .collect();
        Self { name: name.into(), range: low..high, ticks }
    }

    /// For values given as log10. Labels get sparser as the range gets wider.
    pub fn log10(name: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = extent(values).unwrap_or((0.0, 1.0));
        let (low, high) = (low.clamp(-300.0, 300.0), high.clamp(-300.0, 300.0));
        let pad = (0.05 * (high - low)).max(0.2 - 0.5 * (high - low));
        let range = low - pad..high + pad;
        let factors: &[f64] = match high - low {
            wide if wide > 2.5 => &[1.0],
            wide if wide > 0.6 => &[1.0, 2.0, 5.0],
            _ => &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
        };
        let decades = range.start.floor() as i32..=range.end.floor() as i32;
        let every = ((high - low) / 8.0).ceil().max(1.0) as usize;
        let ticks = decades
            .step_by(every)
            .flat_map(|k| factors.iter().map(move |f| f * 10f64.powi(k)))
            .filter(|value| range.contains(&value.log10()))
            .map(|value| (value.log10(), label(value, value)))
            .collect();
        Self { name: name.into(), range, ticks }
    }
}

/// A number with the digits that steps of this size need.
fn label(value: f64, step: f64) -> String {
    // Not -0.
    let value = if value.abs() < 0.5 * step { 0.0 } else { value };
    let digits = (-(step.log10() + 1e-9).floor()).max(0.0) as usize;
    let text = if value != 0.0 && (digits > 5 || value.abs() >= 1e6) {
        let digits = (value.abs().log10().floor() - step.log10().floor()).max(0.0) as usize;
        format!("{value:.digits$e}")
    } else {
        format!("{value:.digits$}")
    };
    text.replace('-', "−")
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (value - self.range.start) / (self.range.end - self.range.start);
        // Far outside is as good as farther outside; what is not a number is nowhere near.
        let share = if share.is_nan() { -1.0 } else { share.clamp(-1.0, 2.0) };
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.iter().map(|(at, _)| *at).collect()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Scale {
    fn format(value: &f64) -> String {
        value.to_string()
    }

    fn format_ext(&self, value: &f64) -> String {
        let tick = self.ticks.iter().find(|(at, _)| at == value);
        tick.map(|(_, text)| text.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(scale: &Scale) -> Vec<&str> {
        scale.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(&Scale::linear("", 0.0..60.0, 5.0)), ["0", "20", "40", "60"]);
        assert_eq!(labels(&Scale::linear("", -0.3..0.3, 5.0)), ["−0.2", "0.0", "0.2"]);
        assert_eq!(labels(&Scale::linear("", 0.0..4e7, 4.0)), ["0", "1e7", "2e7", "3e7", "4e7"]);
        assert_eq!(labels(&Scale::log10("", [-1.0, 3.0])), ["0.1", "1", "10", "100", "1000"]);
    }

    #[test]
    fn degenerate_ranges_get_a_width() {
        for range in [0.0..0.0, 5.0..5.0, 3.0..1.0, f64::NAN..1.0, 1e300..1.0001e300] {
            let scale = Scale::linear("", range, 5.0);
            assert!(scale.range.start < scale.range.end && !scale.ticks.is_empty(), "{scale:?}");
        }
    }

    proptest! {
        #[test]
        fn any_numbers_give_few_ticks_inside(
            a in proptest::num::f64::ANY, b in proptest::num::f64::ANY, count in 1.0f64..10.0
        ) {
            for scale in [Scale::linear("", a..b, count), Scale::log10("", [a, b])] {
                prop_assert!(scale.range.start.is_finite() && scale.range.end.is_finite());
                prop_assert!(scale.range.start < scale.range.end);
                prop_assert!(scale.ticks.len() <= 25, "{}", scale.ticks.len());
                for (at, _) in &scale.ticks {
                    let pixel = scale.map(at, (0, 1000));
                    prop_assert!((-1..=1001).contains(&pixel), "{at} at {pixel}");
                }
                for value in [a, b] {
                    prop_assert!((-1000..=2000).contains(&scale.map(&value, (0, 1000))));
                }
            }
        }
    }
}
