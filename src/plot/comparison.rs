//! Repeated runs of several methods.

use super::scale::{Scale, extent};
use super::style::{
    Area, Frame, GREY, INK, Legend, Mark, SMALL, axes, note, pale, picture, series_colour, title,
    width,
};
use super::{Picture, PlotError};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

/// A number that several runs gave, such as the accuracy of several seeds, by setting and by method: means, and the
/// standard deviation between runs. Each run is a small dot.
///
/// See [`plot`](super) for an example.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Comparison {
    across: String,
    up: String,
    title: Option<String>,
    bars: bool,
    /// In the order in which they are first named.
    settings: Vec<String>,
    series: Vec<(String, Vec<Runs>)>,
    references: Vec<(String, f64)>,
}

/// The number of a setting, and the values of its runs.
type Runs = (usize, Vec<f64>);

/// Mean, and standard deviation between runs where there are two or more; of the finite ones.
fn moments(values: &[f64]) -> Option<(f64, Option<f64>)> {
    let values: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let n = values.len() as f64;
    let mean = values.iter().map(|v| v / n).sum::<f64>();
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    let spread = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
    (!values.is_empty()).then_some((mean, spread))
}

impl Comparison {
    /// Names of the settings' axis and of the values' axis, with their units.
    pub fn new(across: impl Into<String>, up: impl Into<String>) -> Self {
        let (across, up) = (across.into(), up.into());
        let (settings, series, references) = (Vec::new(), Vec::new(), Vec::new());
        Self { across, up, title: None, bars: false, settings, series, references }
    }

    /// A heading.
    pub fn title(self, title: impl Into<String>) -> Self {
        Self { title: Some(title.into()), ..self }
    }

    /// Bars from 0 on instead of lines; for settings without an order.
    pub fn bars(self) -> Self {
        Self { bars: true, ..self }
    }

    /// A method: for each setting (such as a size) the value of each of its runs. Settings are drawn in the order in
    /// which they are first named, at equal distances.
    pub fn series<S: ToString, V: Into<Vec<f64>>>(
        mut self,
        name: impl Into<String>,
        points: impl IntoIterator<Item = (S, V)>,
    ) -> Self {
        let mut place = |setting: String| {
            let known = self.settings.iter().position(|s| *s == setting);
            known.unwrap_or_else(|| {
                self.settings.push(setting);
                self.settings.len() - 1
            })
        };
        let points = points.into_iter().map(|(s, values)| (place(s.to_string()), values.into()));
        let mut points: Vec<_> = points.collect();
        points.sort_by_key(|(setting, _)| *setting);
        self.series.push((name.into(), points));
        self
    }

    /// A level to compare with, such as chance or a published figure.
    pub fn reference(mut self, name: impl Into<String>, value: f64) -> Self {
        self.references.push((name.into(), value));
        self
    }

    /// Draws it.
    ///
    /// # Errors
    /// If there is no setting. Settings without a finite value are left empty.
    pub fn draw(&self) -> Result<Picture, PlotError> {
        if self.settings.is_empty() {
            return Err(PlotError::Empty { picture: "a comparison", what: "setting" });
        }
        let mark = if self.bars { Mark::Bar } else { Mark::DottedLine };
        let entries = self.series.iter().enumerate();
        let entries = entries.map(|(k, (name, _))| (mark, series_colour(k), name.as_str()));
        let wide = (90 * self.settings.len() * self.series.len()).clamp(1100, 2400) as i32;
        let legend = Legend::new(entries, wide - 150);
        let head = if self.title.is_some() { 80 } else { 20 };
        let top = head + legend.height;
        picture((wide, top + 720), |root| {
            if let Some(text) = &self.title {
                title(root, text, (55, 45))?;
            }
            legend.draw(root, (100, head))?;
            let (_, body) = root.split_vertically(top);
            let (body, foot) = body.split_vertically(670);
            if let Some(text) = self.small_print() {
                note(&foot, &text, (wide - 40, 20), HPos::Right, GREY)?;
            }
            self.content(&body)
        })
    }

    fn small_print(&self) -> Option<String> {
        let drawn = |values: &[f64]| values.iter().filter(|value| value.is_finite()).count();
        let runs = self.series.iter().flat_map(|(_, points)| points).map(|(_, v)| drawn(v));
        let (least, most) = (runs.clone().min()?, runs.max()?);
        let count = if least == most { most.to_string() } else { format!("{least} to {most}") };
        (most > 1).then(|| {
            format!("mean and standard deviation of {count} runs; small dots: single runs")
        })
    }

    fn scale(&self) -> Scale {
        let each = |values: &Vec<f64>| {
            let ends = moments(values).into_iter().flat_map(|(mean, spread)| {
                let spread = spread.unwrap_or(0.0);
                [mean - spread, mean + spread]
            });
            ends.chain(values.iter().copied()).collect::<Vec<_>>()
        };
        let points = self.series.iter().flat_map(|(_, points)| points);
        let values = points.flat_map(|(_, values)| each(values));
        let values = values.chain(self.references.iter().map(|(_, value)| *value));
        let zero = self.bars.then_some(0.0);
        let (low, high) = extent(values.chain(zero)).unwrap_or((0.0, 1.0));
        let pad = 0.06 * (high - low);
        let low = if self.bars && low >= 0.0 { 0.0 } else { low - pad };
        Scale::linear(&self.up, low..high + pad, 6.0)
    }

    fn content(&self, area: &Area<'_>) -> Result<(), PlotError> {
        let x = Scale::categories(&self.across, &self.settings);
        let names = self.references.iter().map(|(name, _)| width(name, SMALL) + 10);
        let room = names.max().unwrap_or(0).min(500);
        let mut frame = axes(area, [20, 40 + room, 80, 110], x, self.scale(), true)?;
        let count = self.series.len().max(1) as f64;
        // Side by side, so that whiskers do not hide each other.
        let step = if self.bars { 0.8 / count } else { (0.36 / count).min(0.07) };
        for (k, (_, points)) in self.series.iter().enumerate() {
            let ink = series_colour(k);
            let shift = step * (k as f64 - (count - 1.0) / 2.0);
            let found = points.iter().filter_map(|(setting, values)| {
                Some((*setting as f64 + shift, values, moments(values)?))
            });
            let found: Vec<_> = found.collect();
            let path: Vec<_> = found.iter().map(|(x, _, (mean, _))| (*x, *mean)).collect();
            if self.bars {
                frame.draw_series(path.iter().map(|(x, mean)| {
                    let half = 0.46 * step;
                    Rectangle::new([(x - half, 0.0), (x + half, *mean)], pale(ink, 0.35).filled())
                }))?;
            } else {
                frame.draw_series([PathElement::new(path.clone(), ink.stroke_width(4))])?;
            }
            for (x, values, (mean, spread)) in found {
                let Some(spread) = spread else { continue };
                // Beside the whisker, which would hide them.
                let dot = if self.bars { ink } else { pale(ink, 0.4) };
                frame.draw_series(
                    values
                        .iter()
                        .filter(|v| v.is_finite())
                        .map(|v| EmptyElement::at((x, *v)) + Circle::new((14, 0), 4, dot.filled())),
                )?;
                let dark = if self.bars { INK } else { ink };
                let line = |path| PathElement::new(path, dark.stroke_width(3));
                frame.draw_series([line(vec![(x, mean - spread), (x, mean + spread)])])?;
                frame.draw_series([-1.0, 1.0].map(|side| {
                    EmptyElement::at((x, mean + side * spread))
                        + PathElement::new(vec![(-8, 0), (8, 0)], dark.stroke_width(3))
                }))?;
            }
            if !self.bars {
                frame.draw_series(path.iter().map(|at| Circle::new(*at, 8, ink.filled())))?;
            }
        }
        self.draw_references(area, &mut frame)
    }

    fn draw_references(&self, area: &Area<'_>, frame: &mut Frame<'_>) -> Result<(), PlotError> {
        let ends = (-0.5, self.settings.len() as f64 - 0.5);
        for (name, value) in self.references.iter().filter(|(_, value)| value.is_finite()) {
            let line = [(ends.0, *value), (ends.1, *value)];
            frame.draw_series([PathElement::new(line, GREY.stroke_width(3))])?;
            let (x, y) = frame.backend_coord(&(ends.1, *value));
            let (left, up) = area.get_base_pixel();
            note(area, name, (x - left + 8, y - up), HPos::Left, GREY)?;
        }
        Ok(())
    }
}
