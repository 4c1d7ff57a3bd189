//! The picture of a sweep: small multiples with common logarithmic axes.

#[allow(dead_code)]
#[path = "../../yin_yang/plots/chart.rs"]
mod chart;

use super::{Point, VARIABLES, WORKLOADS};
use chart::{BLUE, GREY, Mark, Scale, VERMILLION, axes, canvas, legend, note, pale, title};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use std::path::Path;

/// Titles of the columns, in the order of [`VARIABLES`].
const TITLES: [&str; 5] =
    ["hidden neurons", "input spikes", "longest delay (ms)", "trial (ms)", "threads"];

/// Cost per synaptic event above, memory below; a column per variable.
pub fn draw(path: &Path, points: &[Point]) -> crate::Result<()> {
    let inks = [BLUE, VERMILLION];
    let faint = |ink| pale(ink, 0.55);
    let mut costs = Vec::new();
    let mut memory = Vec::new();
    for (workload, ink) in WORKLOADS.into_iter().zip(inks) {
        costs.push((workload, "backward_ns_per_event", faint(ink)));
        costs.push((workload, "forward_ns_per_event", ink));
        memory.push((workload, "peak_mib", ink));
    }
    costs.insert(0, (WORKLOADS[0], "stepped_ns_per_event", GREY));
    let rows = [("ns per synaptic event", costs), ("peak memory (MiB)", memory)];

    let root = canvas(path, 2600, 1240)?;
    title(&root, "Cost and memory against size, one thing at a time", (55, 45))?;
    let base = "Base: 256 hidden neurons, 8000 input spikes, delays to 150 ms, trial of 1000 ms, one \
                thread; every neuron fires about 17 times";
    note(&root, base, (55, 95), HPos::Left, GREY)?;
    let names = ["feedforward, forward", "backward", "recurrent, forward", "backward"];
    let lines = names.into_iter().zip([BLUE, faint(BLUE), VERMILLION, faint(VERMILLION)]);
    let stepped = (Mark::Line(4), GREY, "loop of a code with steps of 1 ms");
    let entries = lines.map(|(name, ink)| (Mark::Line(4), ink, name)).chain([stepped]);
    legend(&root, (65, 150), &entries.collect::<Vec<_>>())?;

    let (_, body) = root.split_vertically(180);
    let areas = body.split_evenly((rows.len(), VARIABLES.len()));
    for (row, (name, lines)) in rows.iter().enumerate() {
        let value = |point: &Point, key| Some(*point.found.as_ref().ok()?.get(key)?);
        let of = |key, point| value(point, key).filter(|v| v.is_finite() && *v > 0.0);
        let all = || lines.iter().flat_map(|(_, key, _)| points.iter().filter_map(|p| of(*key, p)));
        for (variable, area) in
            areas[row * VARIABLES.len()..].iter().take(VARIABLES.len()).enumerate()
        {
            let mine = || points.iter().filter(|p| p.variable == variable);
            let x = Scale::log10(TITLES[variable], mine().map(|p| p.value.log10()));
            let y = Scale::log10(if variable == 0 { name } else { "" }, all().map(f64::log10));
            let mut chart = axes(area, [20, 30, 80, 100], x, y, true)?;
            for (workload, key, ink) in lines {
                let line: Vec<(f64, f64)> = mine()
                    .filter(|p| p.workload == *workload)
                    .filter_map(|p| Some((p.value.log10(), of(*key, p)?.log10())))
                    .collect();
                chart.draw_series(LineSeries::new(line.iter().copied(), ink.stroke_width(4)))?;
                chart.draw_series(line.iter().map(|at| Circle::new(*at, 6, ink.filled())))?;
            }
        }
    }
    Ok(root.present()?)
}
