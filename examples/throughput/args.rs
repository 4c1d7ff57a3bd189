//! The command line, and what it may ask for.

use crate::Result;
use crate::load::{Inputs, Load, Workload};
use clap::Parser;
use std::path::PathBuf;

/// Measures time per synaptic event, forward and backward, and the memory that it takes.
///
/// A synaptic event is a spike times a synapse that it passes. The last line begins with `result:`.
#[derive(Debug, Parser)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// What is simulated.
    #[arg(long, value_enum, default_value = "feedforward")]
    pub workload: Workload,
    /// Neurons per hidden layer [default: 256; yin_yang 30].
    #[arg(long)]
    pub hidden: Option<usize>,
    /// The longest delay in ms. Delays are drawn evenly from 0 to it; those of yin_yang start at 0 and
    /// are bounded by it [default: 250; feedforward 150; yin_yang 30].
    #[arg(long)]
    pub max_delay: Option<f64>,
    /// What parameters and states are numbers of.
    #[arg(long, value_enum, default_value = "f64")]
    pub precision: Precision,
    /// Threads that samples are spread over.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Samples to measure [default: 8; yin_yang 5000].
    #[arg(long)]
    pub samples: Option<usize>,
    /// Also take training steps on batches of this many samples: forward, backward and the update.
    /// Then `ms_per_sample` and `peak_mib` are those of the steps. With more samples per batch than
    /// samples to measure there is one step [default: none; yin_yang 150].
    #[arg(long)]
    pub batch: Option<usize>,
    /// An event file to take samples from, as safetensors; without it they are generated.
    ///
    /// Generated samples have 700 channels and 8000 spikes in 1000 ms: spread evenly over the first
    /// 800 ms (feedforward), or in four bumps per class and a background (recurrent and fig8).
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Spikes of a generated sample [default: 8000].
    #[arg(long)]
    pub input_spikes: Option<usize>,
    /// The length of a generated trial in ms [default: 1000; yin_yang 60].
    #[arg(long)]
    pub trial: Option<f64>,
    /// The mean weight of the input, or `auto`: found by bisection such that a hidden neuron fires
    /// about 17 times in the first samples, as in trained networks of the paper. With fig8, `auto` also
    /// sets the weights between the hidden layers [default: auto; feedforward 0.03; yin_yang 1.5].
    #[arg(long)]
    pub input_weight: Option<String>,
    /// Measure how cost and memory grow with the size of each thing, one at a time; takes some minutes.
    /// Only --quick and --out go with it.
    #[arg(long, conflicts_with_all = SINGLE)]
    pub sweep: bool,
    /// A sweep of a few small loads, in less than half a minute.
    #[arg(long, requires = "sweep")]
    pub quick: bool,
    /// Where a sweep writes `sweep.csv` and `sweep.svg`.
    #[arg(long, default_value = "target/throughput")]
    pub out: PathBuf,
}

/// The numbers that a network consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Precision {
    F64,
    F32,
}

/// Flags of a single load.
const SINGLE: [&str; 11] = [
    "workload",
    "precision",
    "hidden",
    "max_delay",
    "threads",
    "samples",
    "batch",
    "data",
    "input_spikes",
    "trial",
    "input_weight",
];
/// Input spikes of all samples together.
const MOST_SPIKES: usize = 100_000_000;
/// Of all projections together; each takes about 100 bytes in training.
const MOST_SYNAPSES: usize = 50_000_000;
const MOST_THREADS: usize = 1024;

impl Args {
    /// The load that is asked for.
    pub fn load(&self) -> Result<Load> {
        let usual = Load::new(self.workload);
        let mut load = Load {
            hidden: self.hidden.unwrap_or(usual.hidden),
            max_delay: self.max_delay.unwrap_or(usual.max_delay),
            input_spikes: self.input_spikes.unwrap_or(usual.input_spikes),
            trial: self.trial.unwrap_or(usual.trial),
            ..usual
        };
        let yin_yang = self.workload == Workload::YinYang;
        if let Some(text) = &self.input_weight {
            load.input_weight = match (text.as_str(), text.parse::<f64>()) {
                ("auto", _) if !yin_yang => None,
                (_, Ok(weight)) if weight.is_finite() => Some(weight),
                _ => {
                    let or = if yin_yang { "" } else { " or `auto`" };
                    return Err(format!("--input-weight {text} must be a finite number{or}").into());
                }
            };
        }
        at_least_1("--hidden", load.hidden)?;
        at_least_1("--input-spikes", load.input_spikes)?;
        at_least_1("--threads", self.threads)?;
        if self.threads > MOST_THREADS {
            return Err(format!("--threads {} must be at most {MOST_THREADS}", self.threads).into());
        }
        if !(load.max_delay.is_finite() && load.max_delay >= 0.0) {
            let rule = "must be finite and not negative";
            return Err(format!("--max-delay {} {rule}, in ms", load.max_delay).into());
        }
        if !(load.trial.is_finite() && load.trial > 0.0) {
            return Err(format!("--trial {} must be finite and above 0, in ms", load.trial).into());
        }
        let generated = [
            ("--input-spikes", self.input_spikes.is_some(), yin_yang || self.data.is_some()),
            ("--trial", self.trial.is_some(), self.data.is_some()),
            ("--data", self.data.is_some(), yin_yang),
        ];
        if let Some((flag, ..)) = generated.iter().find(|(_, given, fixed)| *given && *fixed) {
            let owner = if yin_yang { "the workload yin_yang" } else { "the file of --data" };
            return Err(format!("leave out {flag}: {owner} settles it").into());
        }
        Ok(load)
    }

    /// Samples per training step, if there are to be steps.
    pub fn batch(&self) -> Option<usize> {
        self.batch.or((self.workload == Workload::YinYang).then_some(150))
    }

    /// How many samples passes are measured on, and how many there must be for the steps.
    pub fn samples(&self, load: &Load) -> Result<(usize, usize)> {
        let usual = if self.workload == Workload::YinYang { 5000 } else { 8 };
        let samples = self.samples.unwrap_or(usual);
        at_least_1("--samples", samples)?;
        let all = match self.batch {
            Some(batch) => samples.max(at_least_1("--batch", batch)?),
            None => samples,
        };
        let spikes = all.saturating_mul(load.input_spikes.max(100));
        if self.data.is_none() && spikes > MOST_SPIKES {
            let most = MOST_SPIKES;
            return Err(
                format!("{all} samples have {spikes} input spikes, more than {most}").into()
            );
        }
        Ok((samples, all))
    }

    /// Refuses networks that do not fit into a usual memory.
    pub fn check_size(&self, load: &Load, inputs: &Inputs) -> Result<()> {
        let within = usize::from(matches!(self.workload, Workload::Recurrent | Workload::Fig8));
        let onto = [inputs.channels, within.saturating_mul(load.hidden), inputs.classes];
        let synapses =
            onto.iter().fold(0, |sum: usize, n| sum.saturating_add(n.saturating_mul(load.hidden)));
        if synapses > MOST_SYNAPSES {
            let (hidden, most) = (load.hidden, MOST_SYNAPSES);
            let rule = format!("has {synapses} synapses, more than {most}: lower --hidden");
            return Err(format!("a network with --hidden {hidden} {rule}").into());
        }
        Ok(())
    }
}

fn at_least_1(flag: &str, value: usize) -> Result<usize> {
    if value > 0 { Ok(value) } else { Err(format!("{flag} {value} must be at least 1").into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Args {
        Args::try_parse_from(std::iter::once("throughput").chain(line.split_whitespace())).unwrap()
    }

    fn error(line: &str) -> String {
        let args = parsed(line);
        let checked = args.load().and_then(|load| {
            args.samples(&load)?;
            args.check_size(&load, &Inputs::generate(&load, 1))
        });
        checked.err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[test]
    fn silly_flags_are_refused_with_a_reason() {
        for (line, reason) in [
            ("--hidden 0", "--hidden 0 must be at least 1"),
            ("--hidden 1000000", "has 720000000 synapses"),
            ("--threads 0", "--threads 0 must be at least 1"),
            ("--threads 100000", "must be at most 1024"),
            ("--samples 0", "--samples 0 must be at least 1"),
            ("--samples 1000000", "input spikes, more than"),
            ("--batch 0", "--batch 0 must be at least 1"),
            ("--max-delay -1", "--max-delay -1 must be finite and not negative"),
            ("--max-delay NaN", "--max-delay NaN must be finite"),
            ("--max-delay inf", "--max-delay inf must be finite"),
            ("--trial 0", "--trial 0 must be finite and above 0"),
            ("--input-spikes 0", "--input-spikes 0 must be at least 1"),
            ("--input-weight NaN", "must be a finite number or `auto`"),
            ("--input-weight much", "must be a finite number or `auto`"),
            ("--workload yin_yang --input-weight auto", "must be a finite number"),
            ("--workload yin_yang --data x", "leave out --data"),
            ("--data x --trial 5", "leave out --trial"),
        ] {
            let error = error(line);
            assert!(error.contains(reason), "`{line}`: `{error}` does not say `{reason}`");
        }
    }

    #[test]
    fn usual_flags_are_taken() {
        for workload in ["feedforward", "recurrent", "fig8", "yin_yang"] {
            assert_eq!(error(&format!("--workload {workload} --batch 3 --max-delay 0")), "");
        }
        let args = parsed("--batch 16");
        assert_eq!(args.samples(&args.load().unwrap()).unwrap(), (8, 16));
    }
}
