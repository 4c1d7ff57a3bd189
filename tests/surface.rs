//! What all public types can do: cross threads, be printed, be cloned. It compiles or it does not.

use eventprop::check::{CheckClass, CheckReport, GradientCheck, Mismatch};
use eventprop::remedy::{
    GradientClip, PhantomSpikeTime, RemedyError, SilentNeuronLift, SlopeLimiter,
    SpikeCountRegularizer, WeightBump,
};
use eventprop::*;
use std::fmt::Debug;

fn crosses_threads<T: Send + Sync + Debug + ?Sized>() {}

fn is_an_error<T: std::error::Error + Send + Sync + 'static>() {}

macro_rules! values {
    ($($type:ty),+ $(,)?) => {
        fn is<T: Send + Sync + Debug + Clone>() {}
        $(is::<$type>();)+
    };
}

#[test]
fn types_of_networks_and_objectives() {
    values!(
        // Data and network.
        SpikeTrains, SpikingNetwork, SpikingNetwork<f32>, Lif, LeakyIntegrator, Constant,
        LinearNeurons, StoredLayer<f64>, Box<dyn Layer<f64>>, Synapses,
        Box<dyn DelayedSynapses<f64>>, Row<'static, f64>, Synapse<f64>, Presynaptic<'static>,
        DelayPer, Dense, Sparse, Rewiring, NewSynapse, Engine, Source, Simulator, Spike,
        // Objectives.
        Trace, Reading, Peak, PeakKind, Sensitivity, LayerSensitivity, PotentialSensitivity,
        Objective<MeanVoltage, CrossEntropy>,
        Combined<Objective<MeanVoltage, CrossEntropy>, Objective<MaxVoltage, CrossEntropy>>,
        Targeted<Objective<MeanVoltage, CrossEntropy>, (), usize>, Assessment, Evaluation,
        FirstSpikeTime, SpikeTimes, SpikeCount, ExpWeightedMeanVoltage, VoltageAt,
        PhantomSpikeTime, TimeInvariant, ClassWeights<CrossEntropy>, ClassTargets<VanRossum, SpikeTrains>, MeanSquaredError, SpikeTimeSquares, VanRossum,
        // Gradients and training.
        Gradients, Block, Bounds<f64>, Parameter<'static, f64>, ParameterKind, ParameterMap,
        ArrivalGradient<f64>, ArrivalCounts, Health, LayerHealth, AtSpike, BatchSummary,
        Sample<'static, usize>, BackwardOptions, GradientClip, SlopeLimiter, SilentNeuronLift,
        SpikeCountRegularizer, WeightBump, Adam, Sgd, Rates, ParameterGroup, DelayPenalty,
        Quantization, QuantizationReport, QuantizedProjection, Rounding, MovedSynapse, QuantizeError,
        GradientCheck, CheckReport, CheckClass, Mismatch,
        // Errors.
        Error, SpikeTrainsError, BuildError, LayerError, SynapseError, SimulationError,
        AdjointError, ReadoutError, LossError, OptimizeError, RemedyError,
    );
    // These own what cannot be cloned: distributions that are boxed, borrows that are exclusive.
    crosses_threads::<Init<f64>>();
    crosses_threads::<Delays>();
    crosses_threads::<SynapseRecipe>();
    crosses_threads::<ParameterMut<'static, f64>>();
    crosses_threads::<Adjoint<'static, f64>>();
}

#[test]
fn types_of_data_and_training() {
    use eventprop::data::{
        Augmentation, DataError, Dataset, DatasetBuilder, Part, YinYang, YinYangPoint,
    };
    use eventprop::train::{
        BatchReport, Checkpoint, CheckpointError, Checkpoints, Confusion, EpochReport, Every,
        History, Log, Metric, Metrics, Progress, Raise, Schedule, Schedules, Start, TrainError,
        Trainer,
    };
    values!(
        Dataset,
        Part,
        Augmentation,
        YinYang,
        YinYangPoint,
        Trainer<Objective<MeanVoltage, CrossEntropy>, Adam>,
        Schedule,
        Schedules,
        Every,
        Raise,
        Metric,
        Metrics,
        Confusion,
        History,
        EpochReport,
        BatchReport,
        Start<'static>,
        Checkpoints,
        Checkpoint,
        CheckpointError,
    );
    // These own events by the million, files and terminals.
    crosses_threads::<DatasetBuilder>();
    crosses_threads::<Log>();
    crosses_threads::<Progress>();
    is_an_error::<DataError>();
    is_an_error::<TrainError>();
    is_an_error::<CheckpointError>();
}

#[test]
fn types_of_pictures_and_processes() {
    use eventprop::distributed::{DistributedError, Failure, InProcess};
    use eventprop::plot::{
        Axis, Chart, Comparison, Confusion, DecisionMap, Histograms, Line, Membranes, Panel,
        Picture, PlotError, Raster, TrainingCurves, TrainingRun, Trial,
    };
    values!(
        Axis,
        Chart,
        Comparison,
        Confusion,
        DecisionMap,
        Histograms,
        Line,
        Membranes<'static, f64, SpikingNetwork>,
        Panel,
        Picture,
        Raster<'static>,
        TrainingCurves,
        TrainingRun,
        Trial<'static>,
        DistributedError,
        Failure,
    );
    crosses_threads::<PlotError>();
    is_an_error::<PlotError>();
    is_an_error::<DistributedError>();
    fn sends<T: Send + Debug>() {}
    sends::<InProcess>();
}

#[cfg(all(feature = "nir", feature = "mlgenn"))]
#[test]
fn types_of_other_formats() {
    use eventprop::exchange::mlgenn::{Connection, MlGenn, MlGennError, Names};
    use eventprop::exchange::nir::{
        Delayed, Export, Graph, Import, Jump, NirError, Node, Resistance, TimeUnit, Value,
    };
    use eventprop::exchange::npy::{NpyError, NpyProblem, Precision};
    use eventprop::exchange::{Finding, Loss, Report};
    values!(
        Delayed, Export, Graph, Import, Jump, Node, Resistance, TimeUnit, Value, Finding, Loss,
        Report, Connection, MlGenn, Names, Precision,
    );
    crosses_threads::<NpyProblem>();
    is_an_error::<NirError>();
    is_an_error::<MlGennError>();
    is_an_error::<NpyError>();
}
