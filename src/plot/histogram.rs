//! How weights or delays are distributed.

use super::scale::{Scale, extent};
use super::style::{Area, BLUE, Frame, GREY, Legend, Mark, axes, note, pale, picture, title};
use super::{Picture, PlotError};
use crate::synapse::Row;
use crate::{Real, SpikingNetwork};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

const BINS: usize = 40;

/// Histograms before and after training, one panel per list of values.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Histograms {
    /// Of the values, and their unit.
    name: String,
    unit: &'static str,
    panels: Vec<Values>,
}

#[derive(Debug, Clone, PartialEq)]
struct Values {
    title: String,
    before: Vec<f64>,
    after: Vec<f64>,
}

impl Histograms {
    /// Of any values; the name is that of their axis, with the unit.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), unit: "", panels: Vec::new() }
    }

    /// One more panel. Either list may be empty; values that are not finite are left out.
    pub fn panel(
        mut self,
        title: impl Into<String>,
        before: impl IntoIterator<Item = f64>,
        after: impl IntoIterator<Item = f64>,
    ) -> Self {
        let finite = |v: &f64| v.is_finite();
        let before = before.into_iter().filter(finite).collect();
        let after = after.into_iter().filter(finite).collect();
        self.panels.push(Values { title: title.into(), before, after });
        self
    }

    /// The delays in ms of all synapses, a panel per projection.
    pub fn delays<F: Real>(before: &SpikingNetwork<F>, after: &SpikingNetwork<F>) -> Self {
        let empty = Self { unit: " ms", ..Self::new("delay (ms)") };
        empty.projections(before, after, |row| row.delays)
    }

    /// The weights of all synapses, a panel per projection.
    pub fn weights<F: Real>(before: &SpikingNetwork<F>, after: &SpikingNetwork<F>) -> Self {
        Self::new("weight").projections(before, after, |row| row.weights)
    }

    fn projections<F: Real>(
        mut self,
        before: &SpikingNetwork<F>,
        after: &SpikingNetwork<F>,
        values: impl for<'a> Fn(Row<'a, F>) -> &'a [F],
    ) -> Self {
        for name in after.projections() {
            let all = |net: &SpikingNetwork<F>| -> Vec<f64> {
                let Some(synapses) = net.synapses(name) else { return Vec::new() };
                let rows = (0..synapses.shape().0).map(|post| values(synapses.row(post)));
                rows.flatten().map(|v| v.as_f64()).collect()
            };
            self = self.panel(name.replace("->", " → "), all(before), all(after));
        }
        self
    }

    /// Draws them.
    ///
    /// # Errors
    /// If there is no panel. Panels without values are empty axes.
    pub fn draw(&self) -> Result<Picture, PlotError> {
        if self.panels.is_empty() {
            return Err(PlotError::Empty { picture: "histograms", what: "panel" });
        }
        let columns = self.panels.len().min(3);
        let lines = self.panels.len().div_ceil(columns);
        let (grey, blue) = (pale(GREY, 0.5), pale(BLUE, 0.4));
        let entries = [(Mark::Bar, grey, "before"), (Mark::Bar, blue, "after training")];
        let both = self.panels.iter().any(|p| !p.before.is_empty() && !p.after.is_empty());
        let legend = Legend::new(entries.into_iter().filter(|_| both), 1000);
        let head = 20 + legend.height;
        picture((660 * columns as i32 + 80, head + 600 * lines as i32), |root| {
            legend.draw(root, (115, 20))?;
            let (_, body) = root.split_vertically(head);
            let areas = body.split_evenly((lines, columns));
            self.panels
                .iter()
                .zip(&areas)
                .try_for_each(|(panel, area)| self.draw_panel(panel, area))
        })
    }

    fn draw_panel(&self, panel: &Values, area: &Area<'_>) -> Result<(), PlotError> {
        let Values { title: name, before, after } = panel;
        title(area, name, (125, 30))?;
        note(area, &self.summary(panel), (125, 75), HPos::Left, GREY)?;
        let (low, high) = extent(before.iter().chain(after).copied()).unwrap_or((0.0, 1.0));
        // Values from 0 on keep their 0.
        let pad = 0.01 * (high - low);
        let low = if low >= 0.0 && low < 0.5 * high { 0.0 } else { low - pad };
        let x = Scale::linear(&self.name, low..high + pad, 5.0);
        let range = x.range.clone();
        let cell = (range.end - range.start) / BINS as f64;
        let count = |values: &[f64]| {
            let mut bins = [0usize; BINS];
            for value in values {
                bins[(((value - range.start) / cell) as usize).min(BINS - 1)] += 1;
            }
            bins
        };
        let (old, new) = (count(before), count(after));
        let top = ceiling(&old, &new);
        let y = Scale::linear("number", 0.0..top, top.min(4.0));
        let mut frame = axes(area, [110, 30, 80, 110], x, y, true)?;
        let edge = |k: usize| range.start + k as f64 * cell;
        let drawn = [(old, GREY.mix(0.5), GREY), (new, BLUE.mix(0.6), BLUE)];
        for (line, (bins, fill, ink)) in drawn.into_iter().enumerate() {
            let bars = bins.iter().enumerate().filter(|(_, n)| **n > 0);
            frame.draw_series(bars.map(|(k, n)| {
                let corners = [(edge(k), 0.0), (edge(k + 1), (*n as f64).min(top))];
                let mut bar = Rectangle::new(corners, fill.filled());
                bar.set_margin(0, 0, 1, 1);
                bar
            }))?;
            name_cut_bars(area, &frame, &bins, top, edge, (line as i32, ink))?;
        }
        Ok(())
    }

    fn summary(&self, panel: &Values) -> String {
        let Values { before, after, .. } = panel;
        let mean = |v: &[f64]| v.iter().map(|x| x / v.len() as f64).sum::<f64>();
        let (from, to) = (mean(before), mean(after));
        let unit = self.unit;
        let digits = if from.abs().max(to.abs()) < 1.0 { 2 } else { 1 };
        match (before.len(), after.len()) {
            (0, 0) => "no values".into(),
            (0, n) => format!("{n} values, mean {to:.digits$}{unit}"),
            (n, 0) => format!("{n} values, mean {from:.digits$}{unit}"),
            (_, n) => format!("{n} values, mean {from:.digits$} → {to:.digits$}{unit}"),
        }
        .replace('-', "−")
    }
}

/// Where the axis of counts ends: one or two bars that dwarf all others are cut off.
fn ceiling(old: &[usize; BINS], new: &[usize; BINS]) -> f64 {
    let mut sorted: Vec<f64> = old.iter().chain(new).map(|n| *n as f64).collect();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let (highest, third) = (sorted[0], sorted[2]);
    let usual = 1.6 * third.max(0.05 * highest);
    let dwarfed = third > 0.0 && highest > 2.0 * usual;
    1.05 * if dwarfed { usual } else { highest }.max(1.0)
}

/// Writes the counts of bars that are cut off beside them, on the side with more room.
fn name_cut_bars(
    area: &Area<'_>,
    frame: &Frame<'_>,
    bins: &[usize; BINS],
    top: f64,
    edge: impl Fn(usize) -> f64,
    (line, ink): (i32, RGBColor),
) -> Result<(), PlotError> {
    let cut = |k: &usize| bins[*k] as f64 > top;
    let all: Vec<usize> = (0..BINS).filter(cut).collect();
    let (Some(first), Some(last)) = (all.first(), all.last()) else { return Ok(()) };
    let counts: Vec<_> = all.iter().map(|k| bins[*k].to_string()).collect();
    let text = match counts.len() {
        ..=3 => format!("↑ {}", counts.join(", ")),
        _ => format!("↑ up to {}", all.iter().map(|k| bins[*k]).max().unwrap_or(0)),
    };
    let (bar, gap, side) = match last + first < BINS {
        true => (last + 1, 6, HPos::Left),
        false => (*first, -6, HPos::Right),
    };
    let ((x, y), (left, up)) = (frame.backend_coord(&(edge(bar), top)), area.get_base_pixel());
    note(area, &text, (x - left + gap, y - up + 20 + 34 * line), side, ink)
}
