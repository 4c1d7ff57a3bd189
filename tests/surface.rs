//! What all public types can do: cross threads, be printed, be cloned. It compiles or it does not.

use eventprop::check::{CheckClass, CheckReport, GradientCheck, Mismatch};
use eventprop::remedy::{
    GradientClip, PhantomSpikeTime, RemedyError, SilentNeuronLift, SlopeLimiter,
    SpikeCountRegularizer, WeightBump,
};
use eventprop::*;
use std::fmt::Debug;

fn crosses_threads<T: Send + Sync + Debug + ?Sized>() {}

macro_rules! values {
    ($($type:ty),+ $(,)?) => {
        fn is<T: Send + Sync + Debug + Clone>() {}
        $(is::<$type>();)+
    };
}

#[test]
fn public_types_cross_threads_and_can_be_cloned_and_printed() {
    values!(
        // Data and network.
        SpikeTrains, SpikingNetwork, SpikingNetwork<f32>, Lif, LeakyIntegrator, Constant,
        LinearNeurons, ModeBank, StoredLayer<f64>, Box<dyn Layer<f64>>, Synapses,
        Box<dyn DelayedSynapses<f64>>, Row<'static, f64>, Synapse<f64>, Presynaptic<'static>,
        DelayPer, Dense, Sparse, Rewiring, NewSynapse, Engine, PopulationId, Simulator, Spike,
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
