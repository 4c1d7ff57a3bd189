//! The command line of a recipe.

use super::Result;
use clap::Args;
use eventprop::{Init, SynapseRecipe};
use std::path::PathBuf;

/// What every recipe can be told.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Seed of the initial parameters, of generated data and of the order of samples.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Passes over the training set [default: the recipe's; few with --quick].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Neurons per hidden layer [default: the recipe's].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    hidden: Option<u32>,
    /// All delays at zero.
    #[arg(long, conflicts_with = "fixed_delays")]
    no_delays: bool,
    /// Random delays that are not learned.
    #[arg(long)]
    fixed_delays: bool,
    /// Little data and few epochs, to see that it works.
    #[arg(long)]
    pub quick: bool,
    /// The folder that pictures and logs go to [default: target/NAME].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Where the data is, for recipes that do not make it.
#[derive(Debug, Clone, Args)]
pub struct DataPath {
    /// The data: a file, or a folder of files [default: the environment's EVENTPROP_DATA].
    #[arg(long, env = "EVENTPROP_DATA", hide_env = true, value_name = "PATH")]
    pub data: PathBuf,
}

/// Where a run is kept, so that it can go on.
#[derive(Debug, Clone, Args)]
pub struct Checkpoints {
    /// Write a checkpoint to this folder after every epoch.
    #[arg(long, value_name = "DIR")]
    pub checkpoint: Option<PathBuf>,
    /// Go on from the newest good checkpoint of that folder; start afresh if there is none.
    #[arg(long, requires = "checkpoint")]
    pub resume: bool,
}

impl Checkpoints {
    /// The same in a folder within, for a recipe of several runs.
    pub fn within(&self, run: &str) -> Self {
        Self { checkpoint: self.checkpoint.as_ref().map(|folder| folder.join(run)), ..*self }
    }
}

/// What becomes of delays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delays {
    /// They start at random or at 0, as the recipe says, and are learned.
    Learned,
    /// They are random and stay so.
    Fixed,
    /// They are 0.
    None,
}

impl Delays {
    /// For tables, legends and the result line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Learned => "learned delays",
            Self::Fixed => "fixed random delays",
            Self::None => "no delays",
        }
    }

    /// Gives synapses their delays: learned from `start` on, within `max` ms; or as random as `fixed` says.
    pub fn apply(
        self,
        synapses: SynapseRecipe,
        start: impl Into<Init<f64>>,
        fixed: impl Into<Init<f64>>,
        max: f64,
    ) -> SynapseRecipe {
        match self {
            Self::Learned => synapses.delays(eventprop::Delays::per_synapse(start)).max_delay(max),
            Self::Fixed => synapses.fixed_delays(fixed),
            Self::None => synapses,
        }
    }
}

impl Options {
    /// The number of epochs, where the recipe wants `full`, or `quick` with --quick.
    pub fn epochs(&self, full: u32, quick: u32) -> usize {
        self.epochs.unwrap_or(if self.quick { quick } else { full }) as usize
    }

    /// The neurons per hidden layer, where the recipe wants `usual`.
    pub fn hidden(&self, usual: u32) -> usize {
        self.hidden.unwrap_or(usual) as usize
    }

    /// What becomes of delays; `None` if nothing is said.
    pub fn asked_delays(&self) -> Option<Delays> {
        let fixed = self.fixed_delays.then_some(Delays::Fixed);
        fixed.or(self.no_delays.then_some(Delays::None))
    }

    /// What becomes of delays; they are learned if nothing is said.
    pub fn delays(&self) -> Delays {
        self.asked_delays().unwrap_or(Delays::Learned)
    }

    /// The folder for pictures and logs, made if it is not there.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.out.clone().unwrap_or_else(|| PathBuf::from("target").join(name));
        std::fs::create_dir_all(&folder).map_err(|e| format!("--out {}: {e}", folder.display()))?;
        Ok(folder)
    }
}
