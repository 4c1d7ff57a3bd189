//! The tests that need no process of their own, in one program: it compiles in half the time of one for each file.

#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "files")]
#[path = "../support/training.rs"]
mod task;

mod agree;
mod bad_input;
mod bounds;
mod checker;
mod checkpoints;
mod clipping;
mod config;
mod constants;
mod custom;
mod custom_synapses;
mod data;
mod engines;
mod extremes;
mod goals;
mod gradients;
mod health;
mod light;
mod losses;
mod misfits;
mod neurons;
mod oracle;
mod outside;
mod patterns;
mod phantoms;
mod precision;
mod quantize;
mod readers;
mod refused;
mod remedies;
mod rests;
mod resuming;
mod reuse;
mod rewiring;
mod serde;
mod silence;
mod simulator;
mod small;
mod sparse;
mod spike_counts;
mod streams;
mod synapses;
mod ties;
mod trainer;
mod training;
