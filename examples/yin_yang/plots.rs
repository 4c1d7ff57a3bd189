//! The figures, as SVG.

mod chart;

use chart::{BLUE, CLASSES, GREEN, GREY, INK, PURPLE, VERMILLION};
use chart::{Mark, Result, Scale, axes, canvas, colour, legend, note, pale, title, upright};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use std::f64::consts::{PI, TAU};
use std::path::Path;

const INPUTS: [&str; 4] = ["x", "y", "1 − x", "1 − y"];

/// Spikes of one sample, in milliseconds, by layer and neuron.
pub struct Panel {
    /// What is printed above.
    pub title: String,
    /// Input channels.
    pub input: Vec<Vec<f64>>,
    /// Hidden neurons.
    pub hidden: Vec<Vec<f64>>,
    /// Output neurons, one per class.
    pub output: Vec<Vec<f64>>,
    /// The end of the time axis.
    pub duration: f64,
}

/// What a training run reported, epoch by epoch.
pub struct Run {
    /// The name in the legend.
    pub name: String,
    /// Mean loss.
    pub loss: Vec<f64>,
    /// Accuracy on the training set, 0 to 1.
    pub train: Vec<f64>,
    /// Accuracy on the validation set, 0 to 1.
    pub validation: Vec<f64>,
}

fn arc(centre: f64, radius: f64, from: f64, to: f64) -> Vec<(f64, f64)> {
    let angles = (0..=120).map(|k| from + (to - from) * f64::from(k) / 120.0);
    angles.map(|angle| (centre + radius * angle.cos(), 0.5 + radius * angle.sin())).collect()
}

/// What the network answers all over the disc, and how it did on the test points
/// (x, y, class, answered correctly). `classes` is row-major from the bottom, `grid` squared long.
pub fn decision_map(
    path: &Path,
    grid: usize,
    classes: &[usize],
    accuracy: f64,
    test_points: &[(f64, f64, usize, bool)],
) -> Result {
    let root = canvas(path, 1200, 1200)?;
    let head = format!("Test accuracy {:.1} %", 100.0 * accuracy);
    title(&root, &head, (105, 45))?;
    let dots = CLASSES.map(|(name, ink)| (Mark::Dot, ink, name));
    let ring = (Mark::Ring, BLACK, "misclassified");
    let line = (Mark::Line(2), INK, "true border");
    let entries: Vec<_> = dots.into_iter().chain([ring, line]).collect();
    legend(&root, (105, 100), &entries)?;

    let (low, high, cell) = (-0.01, 1.01, 1.0 / grid.max(1) as f64);
    let scale = |name| Scale::linear(name, low..high, 5.0);
    let mut chart = axes(&root, [130, 120, 80, 90], scale("x"), scale("y"), false)?;
    for (row, line) in classes.chunks(grid.max(1)).enumerate() {
        let mut column = 0;
        for run in line.chunk_by(|a, b| a == b) {
            // Each run reaches under the next one and the next row: no hairlines between them.
            let start = (column as f64 * cell, row as f64 * cell);
            column += run.len();
            let end = [column, row + 1].map(|n| ((n as f64 + 0.4) * cell).min(1.0));
            let fill = pale(colour(run[0]), 0.72).filled();
            chart.draw_series([Rectangle::new([start, (end[0], end[1])], fill)])?;
        }
    }
    // A white sheet with a round hole gives the disc a smooth rim.
    let corners = [(high, high), (low, high), (low, low), (high, low)];
    let mut sheet = vec![(high, 0.5)];
    sheet.extend(corners.into_iter().chain([(high, 0.5)]));
    sheet.extend(arc(0.5, 0.5, TAU, 0.0));
    chart.draw_series([Polygon::new(sheet, WHITE.filled())])?;
    // The data set has published radii: 0.5, 0.25 and 0.1.
    let curve = [arc(0.25, 0.25, PI, TAU), arc(0.75, 0.25, PI, 0.0)].concat();
    let circles = [(0.5, 0.5), (0.25, 0.1), (0.75, 0.1)];
    let circles = circles.map(|(centre, radius)| arc(centre, radius, 0.0, TAU + 0.02));
    let borders = circles.into_iter().chain([curve]);
    chart.draw_series(borders.map(|line| PathElement::new(line, INK.stroke_width(2))))?;
    // The mistakes last, where nothing hides them.
    let (right, wrong): (Vec<_>, Vec<_>) = test_points.iter().partition(|p| p.3);
    chart.draw_series(right.iter().chain(&wrong).flat_map(|(x, y, class, _)| {
        let rim = Circle::new((*x, *y), 6, WHITE.filled());
        [rim, Circle::new((*x, *y), 5, colour(*class).filled())]
    }))?;
    let ring = |(x, y, ..): &(f64, f64, _, _)| Circle::new((*x, *y), 9, BLACK.stroke_width(3));
    chart.draw_series(wrong.iter().map(ring))?;
    Ok(root.present()?)
}

/// The spikes of one sample per panel, side by side.
pub fn raster(path: &Path, panels: &[Panel]) -> Result {
    let root = canvas(path, 1800, 1000)?;
    let (_, body) = root.split_horizontally(130);
    let areas = body.split_evenly((1, panels.len().max(1)));
    for (k, (panel, area)) in panels.iter().zip(areas).enumerate() {
        title(&area, &panel.title, (35, 40))?;
        let time = Scale::linear("time (ms)", 0.0..panel.duration.max(1e-6), 5.0);
        let mut chart = axes(&area, [75, 30, 80, 20], time, Scale::bare(), false)?;
        let layers = [
            ("input", INK, &panel.input, 0.82..1.0),
            ("hidden", PURPLE, &panel.hidden, 0.19..0.8),
            ("output", INK, &panel.output, 0.02..0.17),
        ];
        for (layer, ink, spikes, band) in layers {
            let back = [(0.0, band.start), (panel.duration, band.end)];
            chart.draw_series([Rectangle::new(back, pale(GREY, 0.92).filled())])?;
            let height = |y: f64| chart.backend_coord(&(0.0, y)).1;
            if k == 0 {
                let middle = height(0.5 * (band.start + band.end));
                upright(&root, layer, (30, middle), ink)?;
            }
            let row = (band.end - band.start) / spikes.len().max(1) as f64;
            for (n, times) in spikes.iter().enumerate() {
                let y = band.end - (n as f64 + 0.5) * row;
                let (name, ink, width) = match layer {
                    "input" => (INPUTS.get(n).copied(), INK, 5),
                    "output" => (CLASSES.get(n).map(|c| c.0), colour(n), 6),
                    _ => (None, ink, 4),
                };
                if let (0, Some(name)) = (k, name) {
                    let y = chart.backend_coord(&(0.0, y)).1;
                    note(&root, name, (152, y), HPos::Right, ink)?;
                }
                let (low, high) = (y - 0.42 * row, y + 0.42 * row);
                let tick =
                    |t: &f64| PathElement::new([(*t, low), (*t, high)], ink.stroke_width(width));
                chart.draw_series(times.iter().map(tick))?;
            }
        }
    }
    Ok(root.present()?)
}

/// Histograms of the delays in milliseconds, one panel per projection: (name, before, after).
pub fn delays(path: &Path, layers: &[(&str, Vec<f64>, Vec<f64>)]) -> Result {
    const BINS: usize = 40;
    let columns = layers.len().clamp(1, 3);
    let lines = layers.len().div_ceil(columns).max(1);
    let root = canvas(path, 80 + 660 * columns as u32, 80 + 600 * lines as u32)?;
    let (grey, blue) = (pale(GREY, 0.5), pale(BLUE, 0.4));
    let entries = [(Mark::Bar, grey, "before"), (Mark::Bar, blue, "after training")];
    legend(&root, (125, 50), &entries)?;
    let (_, body) = root.split_vertically(80);
    let areas = body.split_evenly((lines, columns));
    for ((name, before, after), area) in layers.iter().zip(areas) {
        let longest = before.iter().chain(after).fold(0.0, |a: f64, b| a.max(*b));
        let end = if longest > 0.0 { 1.02 * longest } else { 1.0 };
        let count = |values: &[f64]| {
            let mut bins = [0.0f64; BINS];
            for value in values {
                bins[((value / end * BINS as f64) as usize).min(BINS - 1)] += 1.0;
            }
            bins
        };
        let (old, new) = (count(before), count(after));
        // A bar that dwarfs the rest is cut off, with its count written beside it.
        let mut sorted = new;
        sorted.sort_by(|a, b| b.total_cmp(a));
        let usual = match sorted[1] > 0.0 {
            true => sorted[0].min((1.5 * sorted[1]).max(0.1 * sorted[0])),
            false => sorted[0],
        };
        let highest = old.iter().fold(sorted[0], |a, b| a.max(*b));
        let top = 1.05 * highest.min(1.3 * usual).max(1.0);

        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
        let (from, to, n) = (mean(before), mean(after), after.len());
        let means = format!("{n} delays, mean {from:.1} → {to:.1} ms");
        title(&area, name, (125, 30))?;
        note(&area, &means, (125, 75), HPos::Left, GREY)?;
        let x = Scale::linear("delay (ms)", 0.0..end, 5.0);
        let y = Scale::linear("synapses", 0.0..top, top.min(4.0));
        let mut chart = axes(&area, [110, 30, 80, 110], x, y, true)?;
        let edge = |k: usize| k as f64 * end / BINS as f64;
        let (old, new) = ((old, grey.filled(), GREY, 20), (new, BLUE.mix(0.6).filled(), BLUE, 54));
        for (bins, fill, ink, down) in [old, new] {
            let bars = bins.iter().enumerate().filter(|(_, n)| **n > 0.0);
            chart.draw_series(bars.clone().map(|(k, n)| {
                let corners = [(edge(k), 0.0), (edge(k + 1), n.min(top))];
                let mut bar = Rectangle::new(corners, fill);
                bar.set_margin(0, 0, 1, 1);
                bar
            }))?;
            let cut: Vec<_> = bars.filter(|(_, n)| **n > top).collect();
            if let (Some((first, _)), Some((last, _))) = (cut.first(), cut.last()) {
                let counts: Vec<_> = cut.iter().map(|(_, n)| n.to_string()).collect();
                let text = match counts.len() {
                    ..=3 => format!("↑ {}", counts.join(", ")),
                    _ => format!("↑ up to {}", cut.iter().fold(0.0, |a: f64, b| a.max(*b.1))),
                };
                // On the side with more room.
                let (bar, gap, side) = match last + first < BINS {
                    true => (last + 1, 6, HPos::Left),
                    false => (*first, -6, HPos::Right),
                };
                let (x, y) = chart.backend_coord(&(edge(bar), top));
                note(&root, &text, (x + gap, y + down), side, ink)?;
            }
        }
    }
    Ok(root.present()?)
}

/// Error and loss by epoch, on logarithmic axes: late progress shows as much as early progress.
pub fn curves(path: &Path, runs: &[Run]) -> Result {
    let root = canvas(path, 1700, 800)?;
    let inks = [BLUE, VERMILLION, GREEN, PURPLE];
    let name = |run: &Run| match run.validation.last() {
        Some(last) => format!("{} ({:.1} % at the end)", run.name, 100.0 * last),
        None => run.name.clone(),
    };
    let names: Vec<_> = runs.iter().map(name).zip(inks.into_iter().cycle()).collect();
    let lines = names.iter().map(|(name, ink)| (Mark::Line(6), *ink, name.as_str()));
    let solid = (Mark::Line(3), INK, "validation");
    let light = (Mark::Line(2), pale(INK, 0.5), "training");
    let entries: Vec<_> = lines.chain([solid, light]).collect();
    legend(&root, (125, 50), &entries)?;

    let error = |v: &[f64]| v.iter().map(|a| 100.0 * (1.0 - a)).collect();
    let strong = |ink: RGBColor| ink.stroke_width(3);
    let faint = |ink: RGBColor| pale(ink, 0.5).stroke_width(2);
    // Per panel a list of lines: style and values.
    let mut panels = [("error (%)", vec![]), ("loss", vec![])];
    for (run, ink) in runs.iter().zip(inks.into_iter().cycle()) {
        panels[0].1.push((faint(ink), error(&run.train)));
        panels[0].1.push((strong(ink), error(&run.validation)));
        panels[1].1.push((strong(ink), run.loss.clone()));
    }
    let (_, body) = root.split_vertically(80);
    for ((name, lines), area) in panels.iter().zip(body.split_evenly((1, 2))) {
        let values = || lines.iter().flat_map(|(_, line): &(_, Vec<f64>)| line).copied();
        // Zero has no logarithm: it is drawn below the smallest other value.
        let floor = values().filter(|v| *v > 1e-9).fold(1.0, f64::min) / 1.5;
        let log = |v: f64| v.max(floor).log10();
        let last = lines.iter().map(|(_, line)| line.len()).fold(2, usize::max) as f64;
        let x = Scale::linear("epoch", 0.0..last, last.min(6.0));
        let y = Scale::log10(name, values().filter(|v| v.is_finite()).map(log));
        let mut chart = axes(&area, [20, 40, 80, 110], x, y, true)?;
        for (style, line) in lines {
            let points = line.iter().enumerate().filter(|(_, v)| v.is_finite());
            let points = points.map(|(k, v)| ((k + 1) as f64, log(*v)));
            chart.draw_series(LineSeries::new(points, *style))?;
        }
    }
    Ok(root.present()?)
}
