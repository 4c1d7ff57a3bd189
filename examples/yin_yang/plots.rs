//! The figures, as SVG.

mod chart;

use chart::{BLUE, CLASSES, GREEN, GREY, INK, ORANGE, PURPLE, TEXT, TITLE, VERMILLION};
use chart::{Mark, Result, Scale, axes, canvas, colour, legend, pale, write, write_up};
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
    let angle = |k: usize| from + (to - from) * k as f64 / 120.0;
    (0..=120)
        .map(|k| angle(k).sin_cos())
        .map(|(sin, cos)| (centre + radius * cos, 0.5 + radius * sin))
        .collect()
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
    let title = format!("Test accuracy {:.1} %", 100.0 * accuracy);
    write(&root, &title, (100, 45), HPos::Left, TITLE, INK)?;
    let mut entries: Vec<_> = CLASSES.iter().map(|(name, ink)| (Mark::Dot, *ink, *name)).collect();
    entries.push((Mark::Ring, BLACK, "misclassified"));
    entries.push((Mark::Line(2), INK, "true border"));
    legend(&root, (100, 100), &entries)?;

    let scale = |name| Scale::linear(name, -0.01..1.01, 5.0);
    let mut chart = axes(&root, [130, 70, 80, 90], scale("x"), scale("y"), false)?;
    let (low, high, cell) = (-0.01, 1.01, 1.0 / grid.max(1) as f64);
    for (row, line) in classes.chunks(grid.max(1)).enumerate() {
        let mut column = 0;
        for run in line.chunk_by(|a, b| a == b) {
            // Each run reaches under the next one and the next row: no hairlines between them.
            let start = (column as f64 * cell, row as f64 * cell);
            column += run.len();
            let end = ((column as f64 + 0.4) * cell, (row as f64 + 1.4) * cell);
            let end = (end.0.min(1.0), end.1.min(1.0));
            let fill = pale(colour(run[0]), 0.72).filled();
            chart.plotting_area().draw(&Rectangle::new([start, end], fill))?;
        }
    }
    // A white sheet with a round hole gives the disc a smooth rim.
    let mut sheet =
        vec![(high, 0.5), (high, high), (low, high), (low, low), (high, low), (high, 0.5)];
    sheet.extend(arc(0.5, 0.5, TAU, 0.0));
    chart.plotting_area().draw(&Polygon::new(sheet, WHITE.filled()))?;
    let borders = [
        arc(0.5, 0.5, 0.0, TAU),
        arc(0.25, 0.25, PI, TAU),
        arc(0.75, 0.25, PI, 0.0),
        arc(0.25, 0.1, 0.0, TAU),
        arc(0.75, 0.1, 0.0, TAU),
    ];
    chart.draw_series(borders.map(|line| PathElement::new(line, INK.stroke_width(2))))?;
    // The mistakes last, where nothing hides them.
    let (right, wrong): (Vec<_>, Vec<_>) = test_points.iter().partition(|p| p.3);
    let dot = |p: &&(f64, f64, usize, bool)| Circle::new((p.0, p.1), 5, colour(p.2).filled());
    chart.draw_series(right.iter().map(dot))?;
    chart.draw_series(wrong.iter().map(dot))?;
    chart.draw_series(wrong.iter().map(|p| Circle::new((p.0, p.1), 9, BLACK.stroke_width(3))))?;
    Ok(root.present()?)
}

/// The spikes of one sample per panel, side by side.
pub fn raster(path: &Path, panels: &[Panel]) -> Result {
    let root = canvas(path, 1800, 1000)?;
    let (names, body) = root.split_horizontally(130);
    for (k, (panel, area)) in
        panels.iter().zip(body.split_evenly((1, panels.len().max(1)))).enumerate()
    {
        write(&area, &panel.title, (20, 40), HPos::Left, TITLE, INK)?;
        let time = Scale::linear("time (ms)", 0.0..panel.duration.max(1e-6), 5.0);
        let rows = Scale { name: "", range: 0.0..1.0, ticks: vec![] };
        let mut chart = axes(&area, [75, 30, 80, 20], time, rows, false)?;
        let layers = [
            ("input", GREY, &panel.input, 0.82..1.0),
            ("hidden", PURPLE, &panel.hidden, 0.19..0.8),
            ("output", INK, &panel.output, 0.02..0.17),
        ];
        for (layer, ink, spikes, band) in layers {
            let back = [(0.0, band.start), (panel.duration, band.end)];
            chart.draw_series([Rectangle::new(back, pale(GREY, 0.92).filled())])?;
            let middle = chart.backend_coord(&(0.0, 0.5 * (band.start + band.end))).1;
            let row = (band.end - band.start) / spikes.len().max(1) as f64;
            if k == 0 {
                write_up(&names, layer, (30, middle), ink)?;
            }
            for (n, times) in spikes.iter().enumerate() {
                let y = band.end - (n as f64 + 0.5) * row;
                let (name, ink, width) = match layer {
                    "input" => (INPUTS.get(n).copied(), INK, 5),
                    "output" => (CLASSES.get(n).map(|c| c.0), colour(n), 6),
                    _ => (None, ink, 3),
                };
                if let (0, Some(name)) = (k, name) {
                    let at = (140, chart.backend_coord(&(0.0, y)).1);
                    write(&names, name, at, HPos::Right, TEXT - 4, ink)?;
                }
                let tick = |t: &f64| vec![(*t, y - 0.42 * row), (*t, y + 0.42 * row)];
                chart.draw_series(
                    times.iter().map(|t| PathElement::new(tick(t), ink.stroke_width(width))),
                )?;
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
    legend(
        &root,
        (110, 50),
        &[(Mark::Bar, pale(GREY, 0.5), "before"), (Mark::Bar, BLUE, "after training")],
    )?;
    let (_, body) = root.split_vertically(80);
    for ((name, before, after), area) in layers.iter().zip(body.split_evenly((lines, columns))) {
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
        // A bar that dwarfs all others is cut off, with its count written beside it.
        let mut heights = new;
        heights.sort_by(|a, b| b.total_cmp(a));
        let usual =
            if heights[1] > 0.0 { (2.0 * heights[1]).max(0.1 * heights[0]) } else { heights[0] };
        let most = old.iter().fold(heights[0], |a, b| a.max(*b)).max(1.0);
        let cap = most.min(1.3 * usual.min(heights[0]).max(1.0));

        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
        let note =
            format!("{} delays, mean {:.1} → {:.1} ms", after.len(), mean(before), mean(after));
        write(&area, name, (110, 30), HPos::Left, TITLE, INK)?;
        write(&area, &note, (110, 70), HPos::Left, TEXT - 4, GREY)?;
        let x = Scale::linear("delay (ms)", 0.0..end, 5.0);
        let y = Scale::linear("synapses", 0.0..1.05 * cap, 4.0);
        let mut chart = axes(&area, [110, 30, 80, 110], x, y, true)?;
        let edge = |k: usize| k as f64 * end / BINS as f64;
        for (bins, fill) in [(old, pale(GREY, 0.5).filled()), (new, BLUE.mix(0.6).filled())] {
            let bars = bins.iter().enumerate().filter(|(_, n)| **n > 0.0);
            chart.draw_series(bars.clone().map(|(k, n)| {
                let mut bar =
                    Rectangle::new([(edge(k), 0.0), (edge(k + 1), n.min(1.05 * cap))], fill);
                bar.set_margin(0, 0, 1, 1);
                bar
            }))?;
            for (k, n) in bars.filter(|(_, n)| **n > 1.05 * cap) {
                let (x, y) = chart.backend_coord(&(edge(k + 1), cap));
                write(&root, &format!("↑ {n}"), (x + 6, y), HPos::Left, TEXT - 4, INK)?;
            }
        }
    }
    Ok(root.present()?)
}

/// Error and loss by epoch, on logarithmic axes: late progress shows as much as early progress.
pub fn curves(path: &Path, runs: &[Run]) -> Result {
    let root = canvas(path, 1700, 800)?;
    let inks = [BLUE, VERMILLION, GREEN, PURPLE];
    let style = |ink: RGBColor, training: bool| match training {
        true => pale(ink, 0.5).stroke_width(2),
        false => ink.stroke_width(4),
    };
    let names: Vec<_> = runs
        .iter()
        .map(|run| match run.validation.last() {
            Some(last) => format!("{}: {:.1} % right at the end", run.name, 100.0 * last),
            None => run.name.clone(),
        })
        .collect();
    let mut entries: Vec<_> = names
        .iter()
        .zip(inks.iter().cycle())
        .map(|(name, ink)| (Mark::Line(6), *ink, name.as_str()))
        .collect();
    entries.push((Mark::Line(4), INK, "validation"));
    entries.push((Mark::Line(2), pale(INK, 0.5), "training"));
    legend(&root, (110, 50), &entries)?;

    let error =
        |accuracies: &[f64]| accuracies.iter().map(|a| 100.0 * (1.0 - a)).collect::<Vec<_>>();
    let losses = runs.iter().map(|r| vec![(true, r.loss.clone())]);
    let errors = runs.iter().map(|r| vec![(true, error(&r.train)), (false, error(&r.validation))]);
    let (_, body) = root.split_vertically(80);
    let panels: [(_, Vec<Vec<(bool, Vec<f64>)>>); 2] =
        [("error (%)", errors.collect()), ("training loss", losses.collect())];
    for ((name, lines), area) in panels.iter().zip(body.split_evenly((1, 2))) {
        let all = || lines.iter().flatten().flat_map(|(_, line)| line).copied();
        // Zero has no logarithm: it is drawn a little below the smallest other value.
        let floor = all().filter(|v| *v > 1e-9).fold(f64::MAX, f64::min) / 1.5;
        let log = |v: f64| v.max(floor).log10();
        let epochs = lines.iter().flatten().map(|(_, line)| line.len()).max();
        let last = epochs.unwrap_or(0).max(2) as f64;
        let x = Scale::linear("epoch", 0.0..last, 6.0);
        let y = Scale::log10(name, all().filter(|v| v.is_finite()).map(log));
        let mut chart = axes(&area, [20, 40, 80, 110], x, y, true)?;
        for (run, ink) in lines.iter().zip(inks.iter().cycle()) {
            for (training, line) in run {
                let points = line.iter().enumerate().filter(|(_, v)| v.is_finite());
                let points = points.map(|(k, v)| ((k + 1) as f64, log(*v)));
                chart.draw_series(LineSeries::new(points, style(*ink, *training)))?;
            }
        }
    }
    Ok(root.present()?)
}
