//! The picture of a sweep: small multiples with common logarithmic axes.

use super::{Point, VARIABLES, WORKLOADS};
use eventprop::plot::{Axis, Chart, Line, Panel};
use std::path::Path;

/// Titles of the columns, in the order of [`VARIABLES`].
const TITLES: [&str; 5] =
    ["hidden neurons", "input spikes", "longest delay (ms)", "trial (ms)", "threads"];
const NOTE: &str = "Base: 256 hidden neurons, 8000 input spikes, delays to 150 ms, trial of 1000 ms, one \
                    thread; every neuron fires about 17 times";

/// Cost per synaptic event above, memory below; a column per variable.
pub fn draw(path: &Path, points: &[Point]) -> crate::Result<()> {
    // Workload, key, and the line that it is drawn as.
    let mut costs: Vec<(&str, &str, Line)> = Vec::new();
    let mut memory = Vec::new();
    for (colour, workload) in WORKLOADS.into_iter().enumerate() {
        let line = |name: &str| Line::new(name, []).colour(colour).dots();
        let [forward, backward] = ["forward", "backward"].map(|pass| format!("{workload}, {pass}"));
        costs.push((workload, "forward_ns_per_event", line(&forward)));
        costs.push((workload, "backward_ns_per_event", line(&backward).pale()));
        memory.push((workload, "peak_mib", line("")));
    }
    let stepped = Line::new("loop of a code with steps of 1 ms", []).grey().dots();
    costs.push((WORKLOADS[0], "stepped_ns_per_event", stepped));

    let title = "Cost and memory against size, one thing at a time";
    let mut chart = Chart::new().title(title).note(NOTE).columns(VARIABLES.len());
    for (name, lines) in [("ns per synaptic event", costs), ("peak memory (MiB)", memory)] {
        let of = |key: &str, point: &Point| {
            let value = *point.found.as_ref().ok()?.get(key)?;
            Some(value).filter(|v| v.is_finite() && *v > 0.0)
        };
        let all = lines.iter().flat_map(|(_, key, _)| points.iter().filter_map(|p| of(key, p)));
        let all: Vec<f64> = all.collect();
        // One range for the whole row.
        let low = all.iter().copied().fold(f64::INFINITY, f64::min);
        let high = all.iter().copied().fold(0.0, f64::max);
        for (variable, across) in TITLES.into_iter().enumerate() {
            let up = Axis::log(if variable == 0 { name } else { "" });
            let up = if low <= high { up.range(low..high) } else { up };
            let mut panel = Panel::new(Axis::log(across), up);
            for (workload, key, line) in &lines {
                let mine =
                    points.iter().filter(|p| p.variable == variable && p.workload == *workload);
                panel = panel
                    .line(line.clone().points(mine.filter_map(|p| Some((p.value, of(key, p)?)))));
            }
            chart = chart.panel(panel);
        }
    }
    Ok(chart.draw()?.save(path)?)
}
