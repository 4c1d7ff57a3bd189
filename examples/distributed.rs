//! Training by several processes: Yin-Yang over MPI.
//!
//! ```text
//! cargo build --release --features mpi --example distributed
//! mpirun -n 2 target/release/examples/distributed
//! ```
//!
//! The last line holds a digest of all bits of the trained parameters: it is the same for any number of processes, and
//! for a run that was killed and resumed (`--checkpoint DIR --resume`).

#[path = "recipe/mod.rs"]
mod recipe;
#[path = "recipe/yin_yang.rs"]
mod yin_yang;

use clap::Parser;
use eventprop::data::YinYang;
use eventprop::distributed::{Communicator, DistributedError, Mpi};
use eventprop::train::{Checkpoints, EpochReport, Metric, Observer, Schedule, Trainer, Verdict};
use eventprop::{Adam, Network};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use recipe::Delays;
use std::cell::Cell;
use std::error::Error;
use std::hash::{DefaultHasher, Hasher};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use yin_yang::{DURATION, network, task};

/// Trains Yin-Yang by all processes that `mpirun` has started.
#[derive(Parser)]
struct Args {
    /// Passes over the training set.
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// Training samples.
    #[arg(long, default_value_t = 2000)]
    samples: usize,
    /// Samples in a batch.
    #[arg(long, default_value_t = 160)]
    batch: usize,
    /// Hidden neurons.
    #[arg(long, default_value_t = 30)]
    hidden: usize,
    /// A folder for checkpoints, after every epoch.
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<PathBuf>,
    /// Go on from the newest good checkpoint of that folder.
    #[arg(long, requires = "checkpoint")]
    resume: bool,
    /// The last process dies without a word in this epoch, to see what happens then.
    #[arg(long, value_name = "EPOCH")]
    die: Option<usize>,
}

/// Counts what is sent and how long it takes, waiting included.
struct Timed<C> {
    ranks: C,
    seconds: Cell<f64>,
    bytes: Cell<usize>,
}

impl<C: Communicator> Timed<C> {
    fn timed<R>(&self, what: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = what();
        self.seconds.set(self.seconds.get() + start.elapsed().as_secs_f64());
        result
    }
}

impl<C: Communicator> Communicator for Timed<C> {
    fn rank(&self) -> usize {
        self.ranks.rank()
    }
    fn size(&self) -> usize {
        self.ranks.size()
    }
    fn send(&self, to: usize, message: &[u8]) -> Result<(), DistributedError> {
        self.bytes.set(self.bytes.get() + message.len());
        self.timed(|| self.ranks.send(to, message))
    }
    fn receive(&self, from: usize) -> Result<Vec<u8>, DistributedError> {
        self.timed(|| self.ranks.receive(from))
    }
}

/// Prints epochs.
struct Print;

impl Observer<f64> for Print {
    fn epoch(&mut self, report: &EpochReport, _: &dyn Network<f64>) -> Verdict {
        let loss = report.train.loss;
        println!(
            "epoch {:3}  loss {loss:.4}  accuracy {:.3}",
            report.epoch,
            report.train.accuracy()
        );
        Ok(ControlFlow::Continue(()))
    }
}

/// Kills its process.
struct Die(usize);

impl Observer<f64> for Die {
    fn epoch(&mut self, report: &EpochReport, _: &dyn Network<f64>) -> Verdict {
        if report.epoch == self.0 {
            std::process::abort();
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn train(args: &Args, ranks: &Timed<Mpi>) -> Result<(), Box<dyn Error>> {
    // The same on all ranks.
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut points =
        |number| YinYang::dataset(&YinYang::default().sample(number, &mut rng), DURATION);
    let (data, validation) = (points(args.samples)?, points(500)?);
    let mut net = network(args.hidden, (Delays::Learned, 1.0), &mut rng)?;
    let mut trainer = Trainer::new(task(), Adam::new(0.02).delay_rate(0.1))
        .epochs(args.epochs)
        .batch(args.batch)
        .seed(1)
        .schedule(Schedule::Exponential { factor: 0.95 })
        .keep_best(Metric::ValidationLoss);
    if let Some(folder) = &args.checkpoint {
        trainer = trainer.checkpoints(Checkpoints::new(folder).resume(args.resume));
    }
    let (mut print, mut die) = (Print, args.die.map(Die));
    let mut observers: Vec<&mut dyn Observer<f64>> = Vec::new();
    if ranks.rank() == 0 {
        observers.push(&mut print);
    }
    if let Some(die) = die.as_mut().filter(|_| ranks.rank() + 1 == ranks.size()) {
        observers.push(die);
    }
    let start = Instant::now();
    trainer.fit_on(ranks, &mut net, &data, Some(&validation), &mut observers)?;
    if ranks.rank() == 0 {
        let mut digest = DefaultHasher::new();
        for (_, parameter) in net.parameters() {
            parameter.values.iter().for_each(|x| digest.write_u64(x.to_bits()));
        }
        let (seconds, messages) = (start.elapsed().as_secs_f64(), ranks.seconds.get());
        println!(
            "{} ranks: {seconds:.2} s, of these {messages:.2} s in messages, {:.1} MB sent by rank 0",
            ranks.size(),
            ranks.bytes.get() as f64 / 1e6
        );
        println!("digest {:016x}", digest.finish());
    }
    Ok(())
}

fn main() -> ExitCode {
    let args = Args::parse();
    let ranks = match Mpi::start() {
        Ok(ranks) => Timed { ranks, seconds: Cell::new(0.0), bytes: Cell::new(0) },
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match train(&args, &ranks) {
        Ok(()) => {
            ranks.ranks.finish();
            ExitCode::SUCCESS
        }
        // What is not finished ends all processes, so none waits for this one. Each knows whose error it was.
        Err(error) => {
            eprintln!("rank {}: {error}", ranks.rank());
            ExitCode::FAILURE
        }
    }
}
