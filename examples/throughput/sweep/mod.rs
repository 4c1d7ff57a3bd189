//! How cost and memory grow: one thing at a time around a base load.

mod picture;

use crate::Result;
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What varies: its column, its flag, its base, and its values, of which a quick sweep takes two.
struct Variable {
    column: &'static str,
    flag: &'static str,
    base: f64,
    values: &'static [f64],
    quick: [f64; 2],
}

const VARIABLES: [Variable; 5] = [
    Variable {
        column: "hidden",
        flag: "--hidden",
        base: 256.0,
        values: &[64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0],
        quick: [64.0, 128.0],
    },
    Variable {
        column: "input_spikes",
        flag: "--input-spikes",
        base: 8e3,
        values: &[1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6],
        quick: [1e3, 1e4],
    },
    Variable {
        column: "max_delay_ms",
        flag: "--max-delay",
        base: 150.0,
        values: &[1.0, 10.0, 100.0, 1e3, 1e4],
        quick: [1.0, 100.0],
    },
    Variable {
        column: "trial_ms",
        flag: "--trial",
        base: 1e3,
        values: &[1e2, 3e2, 1e3, 3e3, 1e4, 3e4, 1e5],
        quick: [1e2, 1e3],
    },
    Variable {
        column: "threads",
        flag: "--threads",
        base: 1.0,
        values: &[1.0, 2.0],
        quick: [1.0, 2.0],
    },
];
const WORKLOADS: [&str; 2] = ["feedforward", "recurrent"];
/// The keys of a result, in the order of the columns.
const KEYS: [&str; 7] = [
    "ms_per_sample",
    "forward_ns_per_event",
    "backward_ns_per_event",
    "stepped_ns_per_event",
    "events_per_sample",
    "hidden_spikes_per_neuron",
    "peak_mib",
];
/// For one load.
const LONGEST: Duration = Duration::from_secs(150);
/// For all of them; no load starts that would probably end later.
const BUDGET: Duration = Duration::from_secs(540);

/// A load of the sweep and what came out.
struct Point {
    workload: &'static str,
    /// Position in [`VARIABLES`].
    variable: usize,
    value: f64,
    /// The values of all variables.
    sizes: [f64; 5],
    samples: usize,
    /// The value of each key, or why there are none.
    found: std::result::Result<HashMap<String, f64>, String>,
}

/// Measures all loads, each in a process of its own: so memory is that of the load alone, and one that
/// takes too long can be stopped.
pub fn run(folder: &Path, quick: bool) -> Result<String> {
    let start = Instant::now();
    let write_to = |e| format!("--out {}: {e}", folder.display());
    std::fs::create_dir_all(folder).map_err(write_to)?;
    let mut points = Vec::new();
    for workload in WORKLOADS {
        for (variable, Variable { column, values, quick: few, .. }) in VARIABLES.iter().enumerate()
        {
            for &value in if quick { few.as_slice() } else { values } {
                let mut sizes = VARIABLES.map(|v| v.base);
                sizes[variable] = value;
                let (samples, seconds) = plan(workload, sizes, quick);
                let left = BUDGET.saturating_sub(start.elapsed()).min(LONGEST);
                let found = match seconds > left.as_secs_f64() {
                    true => Err(format!("skipped: it would take about {seconds:.0} s")),
                    false => load(workload, sizes, samples, left)?,
                };
                let note = found.as_ref().map_or_else(String::clone, |f| {
                    let cost = |key| f.get(key).unwrap_or(&f64::NAN);
                    let (forward, backward) = (cost(KEYS[1]), cost(KEYS[2]));
                    format!("{forward:.1} + {backward:.1} ns per event, {:.1} MiB", cost(KEYS[6]))
                });
                eprintln!("{workload}, {column} {value}: {note}");
                points.push(Point { workload, variable, value, sizes, samples, found });
            }
        }
    }
    let (csv, svg) = (folder.join("sweep.csv"), folder.join("sweep.svg"));
    std::fs::write(&csv, table(&points)).map_err(write_to)?;
    picture::draw(&svg, &points)?;
    let skipped = points.iter().filter(|p| p.found.is_err()).count();
    Ok(format!(
        "points={} skipped={skipped} seconds={:.1} csv={} svg={}",
        points.len(),
        start.elapsed().as_secs_f64(),
        csv.display(),
        svg.display()
    ))
}

/// How many samples to take, and about how many seconds they and the search for a weight will take.
fn plan(workload: &str, sizes: [f64; 5], quick: bool) -> (usize, f64) {
    let [hidden, spikes, _, _, threads] = sizes;
    let within = if workload == "recurrent" { 17.0 * hidden * hidden } else { 0.0 };
    let events = spikes * hidden + within;
    let samples = if quick { 1.0 } else { (1e7 / events).ceil().clamp(1.0, 8.0) };
    // Slow, but not unheard of: 100 ns per event, forward and backward. The search for a weight takes
    // about 15 passes of a few neurons.
    let seconds = 1e-7 * (samples * threads * events + (1e3 * spikes).min(1e8));
    ((samples * threads) as usize, seconds)
}

/// Measures one load, or says why it has no result.
fn load(
    workload: &str,
    sizes: [f64; 5],
    samples: usize,
    longest: Duration,
) -> Result<std::result::Result<HashMap<String, f64>, String>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--workload", workload, "--input-weight", "auto"]);
    command.args(["--samples", &samples.to_string()]);
    for (Variable { flag, .. }, size) in VARIABLES.iter().zip(sizes) {
        command.arg(flag).arg(size.to_string());
    }
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let start = Instant::now();
    while child.try_wait()?.is_none() {
        if start.elapsed() > longest {
            child.kill()?;
            child.wait()?;
            return Ok(Err(format!("stopped after {:.0} s", longest.as_secs_f64())));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(result) = text.lines().find_map(|line| line.strip_prefix("result: ")) else {
        let error = String::from_utf8_lossy(&output.stderr);
        return Ok(Err(error.lines().last().unwrap_or("it ended without a result").into()));
    };
    let pairs = result.split_whitespace().filter_map(|pair| pair.split_once('='));
    Ok(Ok(pairs.filter_map(|(key, value)| Some((key.into(), value.parse().ok()?))).collect()))
}

fn table(points: &[Point]) -> String {
    let sizes = VARIABLES.map(|v| v.column).join(",");
    let mut table = format!("workload,variable,{sizes},samples,{},note\n", KEYS.join(","));
    for point in points {
        let sizes = point.sizes.map(|s| s.to_string()).join(",");
        let value = |key: &str| match &point.found {
            Ok(found) => found.get(key).filter(|v| v.is_finite()).map(f64::to_string),
            Err(_) => None,
        };
        let values = KEYS.map(|key| value(key).unwrap_or_default()).join(",");
        // A note must not break the row.
        let note = point.found.as_ref().err().map_or(String::new(), |n| n.replace([',', '"'], ";"));
        let (workload, variable) = (point.workload, VARIABLES[point.variable].column);
        let _ = writeln!(table, "{workload},{variable},{sizes},{},{values},{note}", point.samples);
    }
    table
}
