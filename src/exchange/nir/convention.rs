//! What NIR leaves open: the unit of time, and what a spike does to a current.

use super::{Graph, NirError, Value};

/// The unit of times in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeUnit {
    /// That of this crate, so times are written as they are.
    #[default]
    Milliseconds,
    /// That of most simulators.
    Seconds,
}

impl TimeUnit {
    fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
        }
    }

    /// A time in ms in this unit.
    pub(super) fn of_ms(self, time: f64) -> f64 {
        match self {
            Self::Milliseconds => time,
            Self::Seconds => time / 1000.0,
        }
    }

    /// A time in this unit in ms.
    pub(super) fn to_ms(self, time: f64) -> f64 {
        match self {
            Self::Milliseconds => time,
            Self::Seconds => time * 1000.0,
        }
    }
}

/// By how much a spike makes a synaptic current jump, given `w_in` of its node and the weight w of the synapse.
///
/// NIR says tau_syn I' = -I + w_in S, and means by S what every simulator takes it for.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Jump {
    /// By w_in w. Written with `w_in` = 1.
    #[default]
    Weight,
    /// By w_in w / tau_syn, as the equation says if S is a train of delta functions. Written with `w_in` = tau_syn.
    Literal,
    /// By w_in w dt / tau_syn: S is 1 for a time step of `dt` ms, as Norse and snnTorch integrate it. Written with
    /// `w_in` = tau_syn / dt.
    Step {
        /// The time step in ms.
        dt: f64,
    },
}

impl Jump {
    /// The `w_in` with which a current jumps by the weight. All times are in the unit of the file.
    pub(super) fn unit_w_in(self, tau_syn: f64, unit: TimeUnit) -> f64 {
        match self {
            Self::Weight => 1.0,
            Self::Literal => tau_syn,
            Self::Step { dt } => tau_syn / unit.of_ms(dt),
        }
    }

    /// What a spike of weight 1 carries into a membrane without a synaptic current, as an integral over time in ms.
    pub(super) fn charge(self, tau_mem: f64, unit: TimeUnit) -> f64 {
        match self {
            Self::Weight => tau_mem,
            // A delta function of time in the unit of the file.
            Self::Literal => unit.to_ms(1.0),
            Self::Step { dt } => dt,
        }
    }

    pub(super) fn check(self) -> Result<(), NirError> {
        match self {
            Self::Step { dt } if !(dt.is_finite() && dt > 0.0) => Err(NirError::TimeStep { dt }),
            _ => Ok(()),
        }
    }
}

/// Writes both to the metadata of a graph.
pub(super) fn record(graph: &mut Graph, unit: TimeUnit, jump: Jump) {
    let mut note = |key: &str, value| graph.metadata.insert(key.into(), value);
    note("time_unit", Value::Text(unit.name().into()));
    let name = match jump {
        Jump::Weight => "weight",
        Jump::Literal => "literal",
        Jump::Step { dt } => {
            note("current_jump_dt_ms", Value::number(dt));
            "step"
        }
    };
    note("current_jump", Value::Text(name.into()));
}

/// The unit in the metadata of a graph.
pub(super) fn recorded_unit(graph: &Graph) -> Option<TimeUnit> {
    let Some(Value::Text(name)) = graph.metadata.get("time_unit") else { return None };
    [TimeUnit::Milliseconds, TimeUnit::Seconds].into_iter().find(|unit| unit.name() == name)
}

/// The jump in the metadata of a graph.
pub(super) fn recorded_jump(graph: &Graph) -> Option<Jump> {
    let Some(Value::Text(name)) = graph.metadata.get("current_jump") else { return None };
    match name.as_str() {
        "weight" => Some(Jump::Weight),
        "literal" => Some(Jump::Literal),
        "step" => graph.metadata.get("current_jump_dt_ms")?.single().map(|dt| Jump::Step { dt }),
        _ => None,
    }
}
