//! How random cases are run.

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestError, TestRunner};
use std::cell::RefCell;
use std::fmt::Debug;

/// So many cases, the same in every run.
pub fn config(cases: u32) -> ProptestConfig {
    let rng_seed = RngSeed::Fixed(1);
    ProptestConfig { cases, failure_persistence: None, rng_seed, ..Default::default() }
}

/// Runs a test with so many cases, the same in every run, unless the environment says otherwise; what they came to.
pub fn run<S, T>(
    name: &str,
    cases: u32,
    strategy: &S,
    test: impl Fn(&mut T, &S::Value) -> Result<(), TestCaseError>,
) -> T
where
    S: Strategy<Value: Debug>,
    T: Default,
{
    let mut config = ProptestConfig {
        failure_persistence: None,
        max_shrink_time: 20_000, // ms
        ..ProptestConfig::default()
    };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(1);
    }
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    let total = RefCell::new(T::default());
    let result = TestRunner::new(config).run(strategy, |case| test(&mut total.borrow_mut(), &case));
    match result {
        Ok(()) => total.into_inner(),
        Err(TestError::Fail(why, case)) => panic!("{name}: {why}\n{case:#?}"),
        Err(other) => panic!("{name}: {other}"),
    }
}
